package control

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// Effect is the way in which a change is taken over.
type Effect string

// The effects, from the least to the greatest.
const (
	EffectNone    Effect = "none"
	EffectLive    Effect = "live"    // by the emperor, the process is not asked
	EffectReload  Effect = "reload"  // by the running process, with new workers
	EffectRespawn Effect = "respawn" // by a new process
)

var effects = []Effect{EffectNone, EffectLive, EffectReload, EffectRespawn}

// Changes are the differences between the configuration in effect and the file.
type Changes struct {
	Name string `json:"name"`
	Path string `json:"path"`
	// Running is false for a vassal without a process: the file is compared with the
	// configuration of its next launch.
	Running bool `json:"running"`
	// Effect is the greatest effect of the options.
	Effect  Effect         `json:"effect"`
	Options []OptionChange `json:"options"`
	// Mistakes are errors in the file: it would not be taken over.
	Mistakes []string `json:"mistakes,omitempty"`
	// Partial: the file includes others, whose content is not compared.
	Partial bool `json:"partial,omitempty"`
}

// OptionChange is one option with different values.
type OptionChange struct {
	Option string `json:"option"`
	// Was and Is are the values, one for each line. Empty: not given, the default applies.
	Was    []string `json:"was"`
	Is     []string `json:"is"`
	Effect Effect   `json:"effect"`
}

func (s *Server) differences(r *http.Request) (any, error) {
	found, err := s.find(r.Context(), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	rights := rightsOf(r.Context())
	if !rights.may(Operate, found.UID) {
		return nil, errRight(r)
	}
	plan, running, err := s.Emperor.Configuration(r.Context(), found.Name)
	if err != nil {
		return nil, err
	}
	if plan.Path == "" { // it has never had a usable configuration, and found has its mistakes
		return Changes{Name: found.Name, Effect: EffectNone, Options: []OptionChange{}, Mistakes: strings.Split(cmp.Or(found.Fault, found.Why), "\n")}, nil
	}
	if !rights.may(Operate, plan.UID) { // another vassal has that name by now
		return nil, emperor.UnknownError{Name: found.Name}
	}
	c, err := s.Changes(r.Context(), plan)
	if err != nil {
		return nil, &Error{Message: found.Name + ": " + err.Error(), Code: http.StatusConflict}
	}
	c.Name, c.Path, c.Running, c.Effect = found.Name, plan.Path, running, EffectNone
	for i, o := range c.Options {
		c.Options[i].Was, c.Options[i].Is = listed(o.Was), listed(o.Is)
		if slices.Index(effects, o.Effect) > slices.Index(effects, c.Effect) {
			c.Effect = o.Effect
		}
	}
	if c.Options == nil {
		c.Options = []OptionChange{}
	}
	return c, nil
}

// listed prints as [], not null, when it is empty.
func listed(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}
