package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// IDRanges are the ids of vassals in user namespaces of their own.
type IDRanges struct {
	// Base, Size and Count are the ranges of vassals: Count ranges of Size ids, from Base on. Auto takes
	// them from /etc/subuid and /etc/subgid. Zero: vassals have no ranges.
	Base, Size, Count uint32
	Auto              bool
	// Identity: each id of a vassal in a user namespace is the same id of the host.
	Identity bool
	// StateDir has the table of ranges. Empty: the default of the emperor's user.
	StateDir string
}

// Given reports whether vassals have ranges.
func (r IDRanges) Given() bool { return r.Auto || r.Size > 0 }

const (
	// DefaultIDs is the size of ranges of emperor-id-range = auto, and defaultRanges the number of ranges
	// when none is given.
	DefaultIDs    = 65536
	defaultRanges = 4096
	// lowestBase is above all ids of accounts in 16 bits.
	lowestBase = 65536
	idLimit    = 1<<32 - 1
)

// idOptions are about user namespaces.
var idOptions = option.Rows[Emperor]{
	{
		Name: "emperor-id-range", Group: "Vassals", Arg: "BASE:SIZE[:COUNT]", Guard: true,
		Help: "ids of the host for vassals with user among emperor-use-clone: COUNT ranges of SIZE ids from BASE on, one for each vassal, or " +
			"auto: the ranges of the user \"emperor\" in /etc/subuid and /etc/subgid (user_namespaces(7))",
		Set: setIDRange,
	},

	{
		Name: "state-dir", Group: "Control", Arg: "DIR", Def: "$STATE_DIRECTORY or /var/lib/emperor",
		Help: "directory of the table of id ranges; of an emperor that is not root ~/.local/state/emperor",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.IDs.StateDir) },
	},
}

func setIDRange(e *Emperor, v option.Value) error {
	r := IDRanges{Identity: e.IDs.Identity, StateDir: e.IDs.StateDir, Count: defaultRanges}
	if v.Text == "auto" {
		r.Auto = true
		e.IDs = r
		return nil
	}
	words := strings.Split(v.Text, ":")
	if len(words) < 2 || len(words) > 3 {
		return option.Wrong(strconv.Quote(v.Text)+" is not a range", "BASE:SIZE such as 1000000:65536, BASE:SIZE:COUNT, or auto")
	}
	for i, into := range []*uint32{&r.Base, &r.Size, &r.Count} {
		if i == len(words) {
			break
		}
		n, err := strconv.ParseUint(words[i], 10, 32)
		if err != nil || n == 0 {
			return option.Wrong(strconv.Quote(words[i])+" is not a number of ids", "BASE:SIZE such as 1000000:65536")
		}
		*into = uint32(n)
	}
	room := (uint64(idLimit) - uint64(r.Base)) / uint64(r.Size)
	if len(words) == 2 {
		r.Count = uint32(min(uint64(r.Count), room))
	}
	switch {
	case r.Base < lowestBase:
		return option.Wrong(fmt.Sprintf("ids from %d on belong to accounts of the host", r.Base), fmt.Sprintf("BASE of %d or more", lowestBase))
	case uint64(r.Count) > room || r.Count == 0:
		return option.Wrong(fmt.Sprintf("%s ends above %d, the largest id", v.Text, uint32(idLimit-1)), "a smaller BASE, SIZE or COUNT")
	}
	e.IDs = r
	return nil
}

// setClone reads emperor-use-clone. user=identity is user, with the consent to maps that confine nothing.
func setClone(e *Emperor, v option.Value) (err error) {
	const consent = "user=identity"
	words := strings.FieldsFunc(v.Text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	for i, word := range words {
		if word == consent {
			words[i], e.IDs.Identity = "user", true
		}
	}
	text := v.Text
	if e.IDs.Identity {
		text = strings.Join(words, ",")
	}
	return parseClone(&e.Clone, text)
}

// ownCgroups adds cgroup to the namespaces of vassals in tyrant mode, where they have mounts of their own: a tenant sees no cgroups
// of others.
func (e *Emperor) ownCgroups() {
	if e.Tyrant.On && e.Clone.Has(namespaces.NewMount) {
		e.Clone |= namespaces.NewCgroup
	}
}

// checkIDs finds user namespaces that would confine nothing.
func (e *Emperor) checkIDs(problems *Problems) {
	if e.Unsure("emperor-id-range") || e.Unsure("emperor-use-clone") {
		return
	}
	user, as := e.Clone.Has(namespaces.NewUser), e.Origin("emperor-id-range")
	root := os.Geteuid() == 0 && (!e.UID.Set || e.UID.String() == "root" || e.UID.String() == "0")
	switch {
	case e.IDs.Given() && !user:
		problems.Add(as, "emperor-id-range", "vassals have no user namespace", "user in emperor-use-clone")
	case e.IDs.Given() && e.IDs.Identity:
		problems.Add(as, "emperor-id-range", "user=identity asks for no ranges", "user in emperor-use-clone")
	case user && root && !e.IDs.Given() && !e.IDs.Identity:
		problems.Add(e.Origin("emperor-use-clone"), "emperor-use-clone", "user: every id would stay itself, which confines nothing",
			"emperor-id-range = 1000000:65536; user=identity keeps all ids")
	}
}
