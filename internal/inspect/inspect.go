// Package inspect checks configurations against the host, without starting anything. It finds
// errors that parsing one option cannot show.
package inspect

import (
	"github.com/emperor-go/emperor/pkg/config"
)

// Subject is a vassal's configuration and the emperor that would run it.
type Subject struct {
	// File is the absolute path of the configuration.
	File   string
	Vassal *config.Vassal
	// Emperor is nil when its configuration is not known.
	Emperor *config.Emperor
	// Root: the emperor runs as root unless its own file has another user.
	Root bool
}

// Severity decides how a finding changes the verdict.
type Severity string

const (
	// Error means that the vassal cannot work.
	Error Severity = "error"
	// Warning means a probable mistake that may be intended.
	Warning Severity = "warning"
)

// Finding is the result of one check.
type Finding struct {
	// Check is the name of the check. Empty: the finding comes from parsing the file.
	Check    string
	Severity Severity
	config.Problem
}

// Vassals runs all checks on each subject, and compares their addresses.
func Vassals(list []Subject) []Finding {
	var found []Finding
	for _, s := range list {
		for _, c := range checks {
			c.run(s, func(key, what, hint string, at ...config.Origin) {
				f := s.finding(c.name, c.severity, key, what, hint)
				if len(at) > 0 {
					f.Origin = at[0]
				}
				found = append(found, f)
			})
		}
	}
	found = append(found, sharedAddresses(list)...)
	return append(append(found, sharedNetwork(list)...), circles(list)...)
}

// finding returns a finding about an option of the subject.
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
		c.run(e, func(key, what, hint string, _ ...config.Origin) {
			origin := e.Origin(key)
			if origin == (config.Origin{}) {
				origin.File = file
			}
			found = append(found, Finding{c.name, c.severity, config.Problem{Origin: origin, Key: key, What: what, Hint: hint}})
		})
	}
	return found
}
