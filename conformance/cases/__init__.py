"""The cases, one module for each section. How to write one: `README.md` beside this file."""
