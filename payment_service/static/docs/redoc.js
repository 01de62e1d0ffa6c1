"use strict";

// ReDoc shows a picture from its maker's site beside the link to it. Nothing is loaded from outside here: such a picture
// fails before anybody is asked for it, and ReDoc leaves it out. The library sets `src` in both ways there are.
const { setAttribute } = Element.prototype;
const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");

function fromOutside(image, address) {
  if (new URL(address, document.baseURI).origin === location.origin) {
    return false;
  }
  setTimeout(() => image.dispatchEvent(new Event("error")));
  return true;
}

HTMLImageElement.prototype.setAttribute = function (name, value) {
  if (name !== "src" || !fromOutside(this, value)) {
    setAttribute.call(this, name, value);
  }
};

Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...source,
  set(value) {
    if (!fromOutside(this, value)) {
      source.set.call(this, value);
    }
  },
});

const place = document.getElementById("description");

Redoc.init(place.dataset.url, { expandResponses: "200,201" }, place);
