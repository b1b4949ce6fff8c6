package config

import "github.com/emperor-go/emperor/pkg/config/option"

// Wrapping is the configuration of programs that replace vassals.
type Wrapping struct {
	// Override, Program and Fallback are programs, tried in this order.
	Override []string
	Program  string
	Fallback []string
	// ProgramAttr and ChdirAttr name attributes of the vassal.
	ProgramAttr, ChdirAttr string
	// Collect are the attributes to read from a vassal's file.
	Collect []string
}

// wrapOptions select the program that vassals execute.
var wrapOptions = option.Rows[Emperor]{
	{
		Name: "emperor-chdir-attr", Change: option.Reload, Group: "Vassals", Arg: "NAME", Help: "attribute with the directory in which the wrapper starts",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Wrapping.ChdirAttr) },
	},
	{
		Name: "emperor-collect-attr", Change: option.Reload, Group: "Vassals", Arg: "NAME", Repeat: true,
		Help: "attribute to collect from the section [emperor] of a vassal's file",
		Into: func(e *Emperor) option.Field { return (*option.List)(&e.Wrapping.Collect) },
	},
	{
		Name: "emperor-wrapper", Change: option.Reload, Group: "Vassals", Arg: "PROGRAM",
		Help: "vassals execute this program, which speaks uWSGI's protocol, such as uwsgi",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Wrapping.Program) },
	},
	{
		Name: "emperor-wrapper-attr", Change: option.Reload, Group: "Vassals", Arg: "NAME", Help: "attribute with the program that a vassal executes",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Wrapping.ProgramAttr) },
	},
	{
		Name: "emperor-wrapper-fallback", Change: option.Reload, Group: "Vassals", Arg: "PROGRAM", Repeat: true,
		Help: "program to execute when emperor-wrapper cannot be executed",
		Into: func(e *Emperor) option.Field { return (*option.List)(&e.Wrapping.Fallback) },
	},
	{
		Name: "emperor-wrapper-override", Change: option.Reload, Group: "Vassals", Arg: "PROGRAM", Repeat: true,
		Help: "program to execute, if possible, before emperor-wrapper",
		Into: func(e *Emperor) option.Field { return (*option.List)(&e.Wrapping.Override) },
	},
}
