package config

import (
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// emperorOptions and vassalOptions are all options of the two programs. They are shared and must
// not be modified.

var emperorOptions = table[Emperor]{
	&monitorOptions,
	&vassalsOptions,
	&idOptions,
	&templateOptions,
	&lifeOptions,
	&wrapOptions,
	&onDemandOptions,
	&networkOptions,
	&emperorHookOptions,
	&option.Part[Emperor, Surroundings]{
		Rows: &aroundOptions,
		Put:  func(e *Emperor, o *option.Row[Surroundings], v option.Value) error { return o.Put(&e.Around, v) },
	},
	&rightsOptions,
	&tyrantOptions,
	&limitOptions,
	&processOptions,
	&ownOptions,
	&option.Part[Emperor, Names]{
		Rows: &nameOptions,
		Put:  func(e *Emperor, o *option.Row[Names], v option.Value) error { return o.Put(&e.Process.Names, v) },
	},
	&controlOptions,
	&emperorFileOptions,
	&hookArea[Emperor]{who: hooks.Emperor, set: func(e *Emperor) hooks.Set { return e.Hooks }},
	&hookArea[Emperor]{help: "once, in the emperor itself: ", once: true, set: func(e *Emperor) hooks.Set { return e.Process.Hooks }},
}

var vassalOptions = table[Vassal]{
	&bootOptions,
	&startOptions,
	&option.Part[Vassal, Names]{
		Rows: &nameOptions,
		Put:  func(v *Vassal, o *option.Row[Names], t option.Value) error { return o.Put(&v.Names, t) },
	},
	&vassalLogOptions,
	&directoryOptions,
	&privilegeOptions,
	&hardeningOptions,
	&landlockOptions,
	&fileOptions,
	&namespaceOptions,
	&cgroupOptions,
	&vassalHookOptions,
	&option.Part[Vassal, Surroundings]{
		Rows: &aroundOptions,
		Put:  func(v *Vassal, o *option.Row[Surroundings], t option.Value) error { return o.Put(&v.Around, t) },
	},
	&socketOptions,
	&vassalNetworkOptions,
	&servingOptions,
	&workerOptions,
	&terminalOptions,
	// New workers apply changed options of the built-in server. A tenant may set them, because
	// the server opens its files with the vassal's rights.
	&option.Part[Vassal, serving.Options]{
		Rows:   &serving.Rows,
		Put:    func(v *Vassal, o *option.Row[serving.Options], t option.Value) error { return v.Server.Put(o, t) },
		Change: option.Reload, Tyrant: true,
	},
	&vassalFileOptions,
	&hookArea[Vassal]{who: hooks.Vassal, set: func(v *Vassal) hooks.Set { return v.Hooks }},
}
