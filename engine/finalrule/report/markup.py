"""Elements of the page. They are trees, so that whatever a text has in it is written as text."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

Child = Element | str


def el(tag: str, *children: Child, **attributes: str | int | float) -> Element:
    """An element. `class_` is class, `stroke_width` is stroke-width, `viewBox` is itself; numbers
    are written as short as they can be."""
    made = Element(tag, {_name(name): _value(value) for name, value in attributes.items()})
    return add(made, *children)


def add(parent: Element, *children: Child) -> Element:
    """Add children to an element; the element."""
    for child in children:
        if isinstance(child, Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + child
        else:
            parent.text = (parent.text or "") + child
    return parent


def each(parent: str, child: str, texts: Iterable[str], **attributes: str) -> Element:
    """An element with one child for each text."""
    return el(parent, *(el(child, text) for text in texts), **attributes)


def document(root: Element) -> bytes:
    """The page."""
    written: str = tostring(root, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{written}\n".encode()


def _name(name: str) -> str:
    return name if any(letter.isupper() for letter in name) else name.rstrip("_").replace("_", "-")


def _value(value: str | int | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
