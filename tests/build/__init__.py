"""Tests of scripts/build and of the file that it makes."""
