package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/viper"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

const (
	systemConfig = "/etc/conftool/config.yaml"
	systemSchema = "/etc/conftool/schema.yaml"
)

// settings are what the configuration files and the environment say.
type settings struct {
	file          string // config.yaml, as it was found
	schemaFile    string // empty if there is none
	driver        string
	hosts         []string
	namespace     string
	apiVersion    string
	poolsPath     string
	driverOptions map[string]yamldoc.Node
	sinks         []sal.Sink // that are told of changes
	timeout       time.Duration
	safetyMode    safety.Mode // the strictest that a rule has
	output        string
	dataDirectory string
	editor        string
	serve         serveSettings
}

// setting is one key of a configuration file.
type setting struct {
	field schema.Field
	env   bool // may be set by CONFCTL_<KEY>
}

// sharedSettings are the keys of config.yaml. The Python library reads that
// file too, and refuses any other.
func sharedSettings() []setting {
	text := func(name, standard string) setting {
		return setting{schema.Field{Name: name, Kind: schema.Text, Default: value.OfString(standard)}, true}
	}
	return []setting{
		{schema.Field{Name: "driver", Kind: schema.Enum, Words: []string{"etcd", "local"}, Default: value.OfString("etcd")}, true},
		{schema.Field{Name: "hosts", Kind: schema.List, Default: value.EmptyList}, false},
		text("namespace", "/conftool"),
		text("api_version", "v1"),
		text("pools_path", "pools"),
		text("services_path", "services"), // of earlier versions of the Python tool
		{schema.Field{Name: "driver_options", Kind: schema.Dict, Default: value.EmptyMap}, false},
		text("tcpircbot_host", ""),
		{schema.Field{Name: "tcpircbot_port", Kind: schema.Int, NotNegative: true, Default: value.OfInt(0)}, true},
		text("cache_path", ""),
		text("conftool2git_address", ""),
	}
}

// ownSettings are the keys of confctl.yaml beside it.
func ownSettings() []setting {
	return []setting{
		{schema.Field{Name: "timeout", Kind: schema.Text, Default: value.OfString("5s")}, true},
		{schema.Field{Name: "safety_mode", Kind: schema.Enum, Words: safetyModes(), Default: value.OfString("enforce")}, false}, // see safetyMode
		{schema.Field{Name: "sal", Kind: schema.List, Default: value.EmptyList}, false},
		{schema.Field{Name: "output", Kind: schema.Enum, Words: formats(), Default: value.OfString("")}, true},
		{schema.Field{Name: "data_directory", Kind: schema.Text, Default: value.OfString("")}, true},
		{schema.Field{Name: "serve", Kind: schema.Dict, Default: value.EmptyMap}, false},
		{schema.Field{Name: "editor", Kind: schema.Text, Default: value.OfString("")}, false}, // CONFCTL_EDITOR goes before $EDITOR, this after it
	}
}

// loadSettings reads config.yaml, confctl.yaml beside it, and the environment,
// the later ones counting more.
func loadSettings(g *globals) (*settings, error) {
	file, err := findConfig(g.config)
	if err != nil {
		return nil, err
	}
	v := viper.New()
	v.SetEnvPrefix("confctl")
	shared, err := mergeFile(v, file, sharedSettings())
	if err != nil {
		return nil, err
	}
	own, err := mergeFile(v, filepath.Join(filepath.Dir(file), "confctl.yaml"), ownSettings())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	s := &settings{
		file:          file,
		driver:        v.GetString("driver"),
		hosts:         v.GetStringSlice("hosts"),
		namespace:     v.GetString("namespace"),
		apiVersion:    v.GetString("api_version"),
		poolsPath:     v.GetString("pools_path"),
		driverOptions: options(shared["driver_options"]),
		output:        v.GetString("output"),
		dataDirectory: v.GetString("data_directory"),
		editor:        v.GetString("editor"),
	}
	bot, err := bot(v)
	if err != nil {
		return nil, err
	}
	if s.sinks, err = readSinks(own["sal"], bot, filepath.Dir(file)); err != nil {
		return nil, err
	}
	if s.serve, err = readServe(own["serve"]); err != nil {
		return nil, err
	}
	if err := checkHosts(shared["hosts"]); err != nil {
		return nil, err
	}
	if s.timeout, err = timeout(v.GetString("timeout")); err != nil {
		return nil, err
	}
	if s.safetyMode, err = safetyMode(v.GetString("safety_mode")); err != nil {
		return nil, err
	}
	if err := checkRoot(s); err != nil {
		return nil, err
	}
	s.schemaFile, err = findSchema(g.schema, file)
	return s, err
}

// checkRoot checks what goes into the keys of all objects.
func checkRoot(s *settings) error {
	steps := strings.Split(strings.Trim(s.namespace, "/")+"/"+s.apiVersion+"/"+strings.Trim(s.poolsPath, "/"), "/")
	for _, step := range steps {
		if err := object.CheckName("a part of namespace, api_version or pools_path", step); err != nil {
			return &usageError{err.Error(), "they are like namespace: /conftool, api_version: v1 and pools_path: pools"}
		}
		if step == ".confctl" {
			return &usageError{"namespace and api_version cannot hold .confctl: confctl keeps its own keys there", ""}
		}
	}
	return nil
}

// findConfig returns the configuration file: the one that was named, or the
// system's, or else the person's own.
func findConfig(named string) (string, error) {
	if named != "" {
		if _, err := os.Stat(named); err != nil {
			return "", &usageError{fmt.Sprintf("configuration file %s: %v", named, cause(err)), "confctl init --driver local --dir DIR makes one"}
		}
		return named, nil
	}
	candidates := []string{systemConfig}
	if own := self().configDir(); own != "" {
		candidates = append(candidates, filepath.Join(own, "conftool", "config.yaml"))
	}
	for _, c := range candidates {
		if _, err := os.Stat(c); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return c, nil
		}
	}
	return "", &noConfigError{&usageError{
		"no configuration file: there is no " + strings.Join(candidates, " and no "),
		"to try things on this machine:  confctl init --driver local\nto work on an etcd cluster:     confctl init --driver etcd",
	}}
}

// noConfigError reports that there is no configuration, and none was named.
type noConfigError struct{ err error }

func (e *noConfigError) Error() string { return e.err.Error() }
func (e *noConfigError) Unwrap() error { return e.err }

// findSchema returns the schema file. One that is named must be there; without
// any, only the built-in type is known.
func findSchema(named, config string) (string, error) {
	if named != "" {
		if _, err := os.Stat(named); err != nil {
			return "", &usageError{fmt.Sprintf("schema file %s: %v", named, cause(err)), ""}
		}
		return named, nil
	}
	for _, c := range []string{filepath.Join(filepath.Dir(config), "schema.yaml"), systemSchema} {
		if _, err := os.Stat(c); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return c, nil
		}
	}
	return "", nil
}

// mergeFile adds the settings of one file, and of the environment, to v. It
// returns the file's values by key.
func mergeFile(v *viper.Viper, file string, known []setting) (map[string]yamldoc.Node, error) {
	names := make([]string, len(known))
	for i, s := range known {
		names[i] = s.field.Name
		v.SetDefault(s.field.Name, s.field.Default.Decode())
		if err := bindEnv(v, s); err != nil {
			return nil, err
		}
	}
	doc, err := yamldoc.Read(file)
	if err != nil || doc.IsEmpty() {
		return nil, err
	}
	pairs, err := doc.Pairs("the configuration")
	if err != nil {
		return nil, err
	}
	found, values := map[string]yamldoc.Node{}, map[string]any{}
	for _, p := range pairs {
		i := slices.Index(names, p.Name)
		if i < 0 {
			return nil, p.Key.Errorf("no setting %q in this file%s; known: %s", p.Name, nearest.Suggest(p.Name, names), strings.Join(names, ", "))
		}
		checked, err := known[i].field.FromYAML(p.Value)
		if err != nil {
			return nil, err
		}
		found[p.Name], values[p.Name] = p.Value, checked.Decode()
	}
	return found, v.MergeConfigMap(values)
}

// bindEnv lets CONFCTL_<KEY> set a scalar, if it is valid there.
func bindEnv(v *viper.Viper, s setting) error {
	if !s.env {
		return nil
	}
	if err := v.BindEnv(s.field.Name); err != nil {
		return err
	}
	name := "CONFCTL_" + strings.ToUpper(s.field.Name)
	if text := os.Getenv(name); text != "" {
		if _, err := s.field.Parse(text); err != nil {
			return &usageError{fmt.Sprintf("environment variable %s: %v", name, err), ""}
		}
	}
	return nil
}

func options(n yamldoc.Node) map[string]yamldoc.Node {
	options := map[string]yamldoc.Node{}
	if pairs, err := n.Pairs("driver_options"); err == nil { // it was read as a map already
		for _, p := range pairs {
			options[p.Name] = p.Value
		}
	}
	return options
}

func checkHosts(n yamldoc.Node) error {
	if !n.IsList() {
		return nil // there are none
	}
	hosts, err := n.Items("hosts")
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if h.Text() == "" {
			return h.Errorf("hosts takes URLs such as http://localhost:2379, not %s", h.Describe())
		}
	}
	return nil
}

func bot(v *viper.Viper) (string, error) {
	host, port := v.GetString("tcpircbot_host"), v.GetInt("tcpircbot_port")
	switch {
	case host == "":
		return "", nil
	case port < 1 || port > 65535:
		return "", &usageError{fmt.Sprintf("tcpircbot_port cannot be %d; it is a port from 1 to 65535", port), ""}
	}
	return joinHostPort(host, strconv.Itoa(port)), nil
}

// safetyModes are the words for safety.Refuse, Warn and None.
func safetyModes() []string { return []string{"enforce", "warn", "off"} }

// safetyMode is the mode of the configuration, or a stricter one that the
// environment has: nothing there makes it looser.
func safetyMode(configured string) (safety.Mode, error) {
	mode := func(word string) safety.Mode { return safety.Refuse - safety.Mode(slices.Index(safetyModes(), word)) }
	asked := os.Getenv("CONFCTL_SAFETY_MODE")
	switch {
	case asked == "":
		return mode(configured), nil
	case !slices.Contains(safetyModes(), asked):
		return 0, &usageError{fmt.Sprintf("environment variable CONFCTL_SAFETY_MODE: safety_mode cannot be %q; it takes one of %s", asked, strings.Join(safetyModes(), ", ")), ""}
	case mode(asked) < mode(configured):
		return 0, &usageError{fmt.Sprintf("environment variable CONFCTL_SAFETY_MODE cannot loosen the safety_mode %s of the configuration", configured), "it can only make it stricter; to override a rule once: --allow RULE --reason TEXT"}
	}
	return mode(asked), nil
}

func timeout(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 100*time.Millisecond || d > time.Hour {
		return 0, &usageError{fmt.Sprintf("timeout cannot be %q; it is a time such as 5s or 1m30s, from 100ms to 1h", text), "it is set in confctl.yaml or by CONFCTL_TIMEOUT"}
	}
	return d, nil
}
