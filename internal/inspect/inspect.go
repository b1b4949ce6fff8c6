// Package inspect answers one question: what would go wrong on this host? It looks
// at configurations that parse, without starting anything, for what no single
// option shows.
package inspect

import (
	"github.com/emperor-go/emperor/pkg/config"
)

// Subject is a vassal's configuration and who would run it.
type Subject struct {
	// File is the absolute path it was read from.
	File   string
	Vassal *config.Vassal
	// Emperor is nil when nothing is known about it.
	Emperor *config.Emperor
	// Root: the emperor is root, if its own file does not say otherwise.
	Root bool
}

// Severity says what a finding does to the verdict.
type Severity string

const (
	// Error is a mistake: it cannot work.
	Error Severity = "error"
	// Warning may well be meant so.
	Warning Severity = "warning"
)

// Finding is what one check has found.
type Finding struct {
	// Check is the name of the check. Empty: the file was not understood, or it was
	// and something in it is worth a warning.
	Check    string
	Severity Severity
	config.Problem
}

// Vassals runs all checks on each subject, and looks for addresses that several have.
func Vassals(list []Subject) []Finding {
	var found []Finding
	for _, s := range list {
		for _, c := range checks {
			c.run(s, func(key, what, hint string) { found = append(found, s.finding(c.name, c.severity, key, what, hint)) })
		}
	}
	return append(found, sharedAddresses(list)...)
}

// finding is one about an option of the subject.
func (s Subject) finding(check string, severity Severity, key, what, hint string) Finding {
	origin := s.Vassal.Origin(key)
	if origin == (config.Origin{}) {
		origin.File = s.File
	}
	return Finding{check, severity, config.Problem{Origin: origin, Key: key, What: what, Hint: hint}}
}

// Emperor runs the checks of the emperor's own file.
func Emperor(file string, e *config.Emperor) []Finding {
	var found []Finding
	for _, c := range emperorChecks {
		c.run(e, func(key, what, hint string) {
			origin := e.Origin(key)
			if origin == (config.Origin{}) {
				origin.File = file
			}
			found = append(found, Finding{c.name, c.severity, config.Problem{Origin: origin, Key: key, What: what, Hint: hint}})
		})
	}
	return found
}
