"""libvirt's domain XML as typed elements: what is declared is what is written, no policy here."""
