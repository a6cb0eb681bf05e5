"""Where images come from: a catalogue of well-known ones, and how a file or a URL becomes a verified file here."""
