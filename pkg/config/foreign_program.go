package config

import (
	"slices"
	"strings"
)

// confines reports whether an option of ours confines a vassal at its drop. uWSGI has no such option.
func confines(key string) bool {
	return hardeningOptions.Find(key) != nil || landlockOptions.Find(key) != nil
}

// ExamineForeign finds mistakes in the configuration of an operator's program, such as uwsgi:
// names of files that the program would misinterpret, confinement that it does not have, and, when root
// is refused, a missing user.
// Only the program knows its other options. reads are the environment variables that the text
// refers to by $(NAME) and if-env.
func (l Loader) ExamineForeign(src Source, refuseRoot bool) (reads []string, err error) {
	var problems Problems
	named := false
	r := l.read(src)
	for _, e := range r.Entries {
		if confines(e.Key) && !e.Handled && (e.Tenant || !src.Tenant) { // the operator's are in effect before a program of a tenant
			problems.Add(e.Origin, e.Key, "the program that replaces the vassal does not know it, and would run without", "drop the line, or emperor-wrapper")
		}
		o := cgroupOptions.Find(e.Key)
		if o == nil {
			o = fileOptions.Find(e.Key)
		}
		if e.Tenant && o != nil && !o.Tyrant && !e.Handled && !slices.Contains(l.Allow, o.Name) {
			problems.Add(e.Origin, e.Key, refusedTenant, refusedTenantHint)
		}
		named = named || e.Key == "uid" || e.Key == "immediate-uid"
		misreads := uwsgiMisreads(e.Key)
		if o := vassalOptions.find(e.Key); o != nil {
			misreads = o.Misreads
		}
		if strings.Contains(e.Value, "exec://") {
			misreads = func(_, _ string) bool { return true }
		}
		if p, found := e.Misread(misreads); found {
			problems = append(problems, p)
		}
	}
	if refuseRoot && !named { // check now: skipped files cannot name a user
		problems = append(problems, unnamed(src.Path))
	}
	return namesOf(r.Variables), problems.Err()
}

// uwsgiMisreads is option.Row's Misreads for options that only uWSGI has.
func uwsgiMisreads(key string) func(text, name string) bool {
	for _, lines := range []string{
		"alarm", "attach-", "call-", "cron", "exec-", "hook-", "legion-attach-", "legion-cron", "logger",
		"req-logger", "smart-attach-", "unique-cron",
	} {
		if strings.HasPrefix(key, lines) {
			return func(_, _ string) bool { return true }
		}
	}
	return nil
}
