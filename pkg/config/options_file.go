package config

import "github.com/emperor-go/emperor/pkg/config/option"

// The options about the configuration itself are the same in both programs. The
// reader has seen them when it comes to values.

const strictHelp = "an unknown option is a mistake, not a placeholder"

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
