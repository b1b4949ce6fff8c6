// Package config defines the configuration. It reads uWSGI's ini dialect in independent steps:
// magic variables, lines (lex.go), blocks (logic.go), the ordered list of options (reader.go),
// expansion (expand.go), and option tables, whose results are plain typed structs.
package config
