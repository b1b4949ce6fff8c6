// Package version is the version of all our programs.
package version

import "strings"

// Number is the version, as in Semantic Versioning 2.0.0.
const Number = "0.1.0"

// commit and date are set by the linker (build.sh): the first digits of the commit, and its day.
// Empty: not known, as after go build.
var commit, date string

// Commit returns the first digits of the commit that the program was built from. Empty: not known.
func Commit() string { return commit }

// Text is the version, with the commit and its day where they are known.
func Text() string {
	if known := strings.TrimSuffix(strings.TrimPrefix(commit+", "+date, ", "), ", "); known != "" {
		return Number + " (" + known + ")"
	}
	return Number
}

// Line is the answer of a program to --version: its name and the version.
func Line(program string) string { return program + " " + Text() }
