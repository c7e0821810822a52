// Search runs in a worker, and browsers start none for a page that was opened from a disk.
if (location.protocol === "file:") {
  for (const part of document.querySelectorAll(".md-search, [for=__search]")) part.hidden = true;
}
