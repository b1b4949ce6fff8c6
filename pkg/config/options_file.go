package config

import "github.com/emperor-go/emperor/pkg/config/option"

// Options about the configuration itself are the same in both programs. The reader applies them
// before values are decoded.

const strictHelp = "an unknown option is an error, not a placeholder"

var emperorFileOptions = option.Rows[Emperor]{
	{
		Name: "strict", Group: "Other", Tyrant: true, Change: option.Reload, Help: strictHelp,
		Set: func(*Emperor, option.Value) error { return nil },
	},
}

var vassalFileOptions = option.Rows[Vassal]{
	{
		Name: "strict", Group: "Other", Tyrant: true, Change: option.Reload, Help: strictHelp,
		Set: func(*Vassal, option.Value) error { return nil },
	},
}
