// Package dialect reads uWSGI's configuration language: text in, the ordered list of options out.
// It reads in independent steps: magic variables (magic.go), the options of one section (section.go)
// from lines (lex.go) or another format (formats.go), blocks (logic.go), the ordered list (reader.go)
// with includes, and expansion (expand.go). It knows only the options that shape the list. The
// meaning of all others is in package config.
package dialect
