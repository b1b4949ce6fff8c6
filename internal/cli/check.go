package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/inspect"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/vassalfiles"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// checkCommand parses and checks files without starting anything.
func checkCommand() *cobra.Command {
	var ini, as string
	var asJSON, security bool
	var most float64
	c := &cobra.Command{
		DisableFlagsInUseLine: true,
		Use:                   "check [--ini FILE] FILE|DIR…", Short: "parse and check files without starting anything",
		Long: "Parses and checks files of vassals, or all files of a directory, without starting anything.\n" +
			"For an emperor's own file it also checks the vassals in its directories.\n" +
			"Without --ini the namespaces come from the running emperor, or else from /etc/emperor.ini.\n" +
			"With --security, FILE can also be the name of a running vassal, which is examined in /proc.\n" +
			"Exit status: 0: no mistakes; 1: mistakes; 2: the check failed.",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && ini == "" {
				return errors.New("nothing to check: name a FILE, a DIR or --ini FILE")
			}
			k := &checker{reported: map[string]bool{}, orders: map[config.ReloadOrder][]string{}}
			if ini != "" {
				k.emperor = k.readEmperor(ini)
				if len(args) == 0 {
					k.monitors(k.emperor)
				}
			}
			if ini == "" {
				k.host = hostEmperor()
			}
			if as != "" && len(args) != 1 {
				return errors.New("--as needs exactly one FILE")
			}
			for _, arg := range args {
				check := func() error { return k.check(arg, as) }
				if security && as == "" && isName(arg) {
					check = func() error { return k.named(c.Context(), arg) }
				}
				if err := check(); err != nil {
					return err
				}
			}
			k.found = append(k.found, inspect.Vassals(k.vassals)...)
			k.networks()
			if security {
				return k.security(c.OutOrStdout(), c.ErrOrStderr(), asJSON, most)
			}
			return k.print(c.OutOrStdout(), c.ErrOrStderr(), asJSON)
		},
	}
	c.Flags().StringVar(&ini, "ini", "", "the emperor's own `FILE`, which sets the namespaces of vassals")
	c.Flags().StringVar(&as, "as", "", "check FILE as if it had the `NAME`, for tools that validate a temporary file")
	c.Flags().BoolVar(&security, "security", false, "show how each vassal is confined, and the option that changes each fact")
	c.Flags().Float64Var(&most, "max", 0, "with --security, exit with 1 when the exposure of a vassal is above `N`")
	c.Flags().BoolVar(&asJSON, "json", false, "print an array of objects")
	return c
}

// checker collects findings.
type checker struct {
	emperor  *config.Emperor   // nil: not known
	own      []*config.Emperor // whose files were read
	host     *config.Emperor   // used without --ini, for its namespaces only; nil: this host has none
	files    int
	vassals  []inspect.Subject
	found    []inspect.Finding
	reported map[string]bool // files already reported as readable by every user
	orders   map[config.ReloadOrder][]string
	running  []inspect.SecuritySubject // vassals whose processes were examined
	// gaining lists vassals whose programs can get rights that the vassal does not have.
	gaining []string
}

// check checks one argument; a file is checked under the name as, if that is set.
func (k *checker) check(name, as string) error {
	info, err := os.Stat(name)
	if err != nil {
		return fmt.Errorf("cannot check %q: %w", name, cause.Of(err))
	}
	if info.IsDir() {
		if as != "" {
			return fmt.Errorf("cannot check %q: --as needs a file, not a directory", name)
		}
		return k.directory(name)
	}
	data, err := read(name)
	if err != nil {
		return err
	}
	if as == "" && config.IsEmperors(name, data) {
		before := k.emperor
		k.emperor = k.readEmperor(name)
		k.monitors(k.emperor)
		k.emperor = before
		return nil
	}
	trust := vassalfiles.Finder{Emperor: k.emperor}.Trust()
	if trust.Files = []string{name}; k.owners() != nil {
		trust.Files = nil
	}
	k.found = append(k.found, trust.Open()...)
	if as == "" {
		if as = name; !k.owned(name) {
			return nil
		}
		if path, err := filepath.Abs(name); err == nil && !(vassalfiles.Finder{Emperor: k.emperor}).IsVassal(path) {
			k.otherName(path)
		}
	}
	c := vassalfiles.Finder{Emperor: k.emperor}.Config(as)
	c.Data = data
	k.vassal(c)
	return nil
}

// directory checks the vassals of a directory, or of a pattern.
func (k *checker) directory(m string) error {
	files, err := vassalfiles.Finder{Emperor: k.emperor}.Names(m)
	if err != nil {
		return fmt.Errorf("cannot check %q: %w", m, cause.Of(err))
	}
	k.found = append(k.found, vassalfiles.Finder{Emperor: k.emperor}.Trust(m).Open()...)
	k.otherFiles(m)
	if len(files) == 0 {
		k.note(m, config.Problems{{
			Origin: config.Origin{File: m}, What: "the directory contains no vassal",
			Hint: "a vassal's file ends in " + strings.Join(vassalfiles.Finder{Emperor: k.emperor}.Extensions(), ", "),
		}}, nil)
	}
	for _, c := range files {
		if !k.owned(c.Path) {
			continue
		}
		if c.Data, err = readVassal(c.Path); err != nil {
			k.files++
			k.note(c.Path, nil, err)
			continue
		}
		k.vassal(c)
	}
	return nil
}

// otherFiles warns about files that a directory monitor ignores although they resemble vassals'
// files.
func (k *checker) otherFiles(m string) {
	p := vassalfiles.Finder{Emperor: k.emperor}
	if _, ok := p.Pattern(m); ok {
		return
	}
	entries, _ := os.ReadDir(m) // the caller has reported an error
	for _, e := range entries {
		name := e.Name()
		if !p.IsVassal(name) && e.Type().IsRegular() {
			k.otherName(filepath.Join(m, name))
		}
	}
}

// otherName warns about a file name that resembles a vassal's.
func (k *checker) otherName(file string) {
	name := filepath.Base(file)
	if !resemblesVassal(name, vassalfiles.Finder{Emperor: k.emperor}.Extensions()) {
		return
	}
	k.found = append(k.found, inspect.Finding{Check: "passed-over", Severity: inspect.Warning, Problem: config.Problem{
		Origin: config.Origin{File: file}, What: "a file with this extension is not a vassal",
		Hint: "mv " + name + " " + strings.TrimSuffix(name, filepath.Ext(name)) + ".ini, or emperor-extra-extension",
	}})
}

// resemblesVassal reports whether a name has an extension of configuration files, or the
// extension of vassals in another case.
func resemblesVassal(name string, extensions []string) bool {
	lower := strings.ToLower(name)
	return !strings.HasPrefix(name, ".") && slices.ContainsFunc(append([]string{".conf", ".cfg", ".toml", ".yaml", ".yml"}, extensions...), func(e string) bool {
		return strings.HasSuffix(lower, strings.ToLower(e))
	})
}

// hostEmperor returns the namespaces of the running emperor, or else of the one that hostFile
// configures. Nil: this host has neither.
func hostEmperor() *config.Emperor {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	o := &operator{dir: askedRuntimeDir()}
	var info control.Info
	if o.get(ctx, "/emperor", &info) == nil && info.Namespaces != nil {
		if clone, err := namespaces.ParseFlags(*info.Namespaces); err == nil {
			return &config.Emperor{Clone: clone}
		}
	}
	if _, err := os.Stat(hostFile); err != nil {
		return nil
	}
	e, _, err := loader().ExamineEmperor([]string{"--ini", hostFile})
	if err != nil || e.Unsure("emperor-use-clone") {
		return nil
	}
	return &config.Emperor{Clone: e.Clone}
}

// hostFile has the options of a packaged service's emperor.
const hostFile = "/etc/emperor.ini"

func (k *checker) vassal(c monitor.Config) {
	k.files++
	l, source, err := underEmperor(k.emperor, c)
	path := source.Path
	k.attributes(path, source)
	if err != nil {
		k.note(path, nil, err)
		return
	}
	attributes := config.Attributes(source)
	if source.Tenant {
		attributes = nil // the emperor takes none
	}
	if k.emperor != nil && vassalfiles.Wrappers(k.emperor.Wrapping).Becomes(attributes) {
		v, _, _ := l.ExamineVassal(source)
		k.found = append(k.found, inspect.Legible(v.Settings(false), k.reported)...)
		_, err := l.ExamineForeign(source, k.emperor.RefuseRoot && !source.Tenant)
		k.note(path, nil, err) // only the program that replaces the vassal can parse the rest
		return
	}
	v, warnings, problems := l.ExamineVassal(source)
	k.note(path, warnings, problems)
	if source.Tenant {
		v.UID = config.IdentityOf(ownerOf(path))
	}
	k.found = append(k.found, inspect.Legible(v.Settings(false), k.reported)...)
	if problems == nil && len(v.Command)+len(v.Workers.Exec) > 0 {
		k.orders[v.ReloadOrder()] = append(k.orders[v.ReloadOrder()], filepath.Base(path))
	}
	if u := v.UID.String(); problems == nil && v.UID.Set && u != "0" && u != "root" && !v.Hardening.NoNewPrivileges && !v.Hardening.Restricted() {
		k.gaining = append(k.gaining, filepath.Base(path))
	}
	subject := inspect.Subject{File: path, Vassal: v, Emperor: k.emperor, Root: os.Geteuid() == 0}
	if k.emperor != nil && !k.emperor.Unsure("emperor-network") {
		_, err := k.emperor.Network.Connection(v, !ours(path))
		k.note(path, nil, err)
	}
	switch {
	case k.emperor == nil:
		subject.Emperor = k.host
	case k.emperor.Unsure("emperor-use-clone"):
		subject.Emperor = nil
	}
	k.vassals = append(k.vassals, subject)
}

// attributes checks the hooks in the section [emperor] of a vassal's file. Without a known
// emperor all of them are permitted.
func (k *checker) attributes(path string, source config.Source) {
	allowed := config.Allowable()
	if k.emperor != nil {
		allowed = k.emperor.Allowed
		source.Tenant = !ours(path)
	}
	_, warnings, err := config.AttributeHooks(source, allowed)
	k.note(path, warnings, err)
}

// underEmperor returns a vassal's file and a loader with the permissions that an emperor gives
// the vassal; a nil emperor is an unknown one. The loader runs nothing. It opens files that the
// vassal's file names only when that file belongs to root or to this process's user: a tenant
// must not choose files to read.
func underEmperor(e *config.Emperor, c monitor.Config) (l config.Loader, source config.Source, err error) {
	c = c.Located()
	l.Permissions = config.Permissions{Dir: c.Dir, Files: ours(c.Path), Environ: vassalfiles.Environ(e), Foreign: parser.Parse, Means: direct.Means(), Partial: true}
	if e != nil {
		l.Permissions.Held = vassalfiles.HasOnDemand(e.OnDemand)
		l.Templates, err = e.Templates.Read(c.Dir, vassalfiles.Bounded(reads.New()))
	}
	tenant := e != nil && e.Tyrant.On && !ours(c.Path)
	if tenant {
		l.Allow = e.Tyrant.Allow
	}
	return l, config.Source{Name: c.Name, Path: c.Path, Data: c.Data, Tenant: tenant}, err
}

// readEmperor returns the valid part of an emperor's own file, or nil, and records the mistakes
// in it.
func (k *checker) readEmperor(name string) *config.Emperor {
	k.files++
	e, warnings, err := loader().ExamineEmperor([]string{"--ini", name})
	k.note(name, warnings, err)
	if e != nil {
		k.own = append(k.own, e)
		k.found = append(k.found, inspect.Emperor(name, e)...)
		k.found = append(k.found, inspect.Legible(e.Settings(false), k.reported)...)
		trust := vassalfiles.Finder{Emperor: e}.Trust()
		trust.Files = inspect.Sources(e)
		k.found = append(k.found, trust.Open()...)
	}
	return e
}

// monitors checks the vassals that an emperor would run. Its caller has reported missing
// directories.
func (k *checker) monitors(e *config.Emperor) {
	if e == nil {
		return
	}
	for _, m := range e.Monitors {
		if err := k.directory(m); err != nil && !errors.Is(err, os.ErrNotExist) {
			k.note(m, nil, err)
		}
	}
}

// note records the result of parsing a file.
func (k *checker) note(file string, warnings config.Problems, err error) {
	for _, w := range warnings {
		k.found = append(k.found, inspect.Finding{Severity: inspect.Warning, Problem: w})
	}
	var problems config.Problems
	if err != nil && !errors.As(err, &problems) {
		problems = config.Problems{{Origin: config.Origin{File: file}, What: err.Error()}}
	}
	for _, p := range problems {
		k.found = append(k.found, inspect.Finding{Severity: inspect.Error, Problem: p})
	}
}

// readVassal reads a vassal's file as the emperor would.
func readVassal(path string) ([]byte, error) {
	return reads.Get(context.Background(), reads.New(), path, func() ([]byte, error) { return monitor.Read(path) })
}

// read reads a file that the user names: a vassal's file, or a pipe.
func read(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		data, err := readVassal(name)
		if err != nil {
			err = fmt.Errorf("cannot read %q: %w", name, err)
		}
		return data, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", name, cause.Of(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, config.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", name, cause.Of(err))
	}
	return data, nil
}
