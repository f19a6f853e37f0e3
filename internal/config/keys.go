package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/viper"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// key is a setting of a configuration file.
type key struct {
	schema.Field
	env bool // CONFCTL_<KEY> can set it
	// recording is set for settings that decide where changes are recorded and
	// announced. Only files can set them; CONFCTL_<KEY> is reported as a
	// mistake.
	recording bool
}

// sharedKeys are the settings of config.yaml. The Python library reads that file
// too, and refuses any other.
func sharedKeys() []key {
	text := func(name, standard string) key {
		return key{Field: schema.Field{Name: name, Kind: schema.Text, Default: value.OfString(standard)}, env: true}
	}
	return []key{
		{Field: schema.Field{Name: "driver", Kind: schema.Enum, Words: Drivers(), Default: value.OfString("etcd")}, env: true},
		{Field: schema.Field{Name: "hosts", Kind: schema.List, Default: value.EmptyList}},
		{Field: schema.Field{Name: "namespace", Kind: schema.Text, Default: value.OfString("/conftool")}, recording: true},
		text("api_version", "v1"),
		text("pools_path", "pools"),
		text("services_path", "services"), // a setting of earlier versions of the Python tool
		{Field: schema.Field{Name: "driver_options", Kind: schema.Dict, Default: value.EmptyMap}},
		{Field: schema.Field{Name: "tcpircbot_host", Kind: schema.Text, Default: value.OfString("")}, recording: true},
		{Field: schema.Field{Name: "tcpircbot_port", Kind: schema.Int, NotNegative: true, Default: value.OfInt(0)}, recording: true},
		text("cache_path", ""),
		text("conftool2git_address", ""),
	}
}

// Drivers returns the values of the setting driver.
func Drivers() []string { return []string{"etcd", "local"} }

// ownKeys returns the settings of confctl.yaml.
func ownKeys(formats []string) []key {
	return []key{
		{Field: schema.Field{Name: "timeout", Kind: schema.Text, Default: value.OfString(standardTimeout.String())}, env: true},
		{Field: schema.Field{Name: "safety_mode", Kind: schema.Enum, Words: safetyModes(), Default: value.OfString("enforce")}}, // see readSafetyMode
		{Field: schema.Field{Name: "sal", Kind: schema.List, Default: value.EmptyList}, recording: true},
		{Field: schema.Field{Name: "output", Kind: schema.Enum, Words: formats, Default: value.OfString("")}, env: true},
		{Field: schema.Field{Name: "data_directory", Kind: schema.Text, Default: value.OfString("")}, env: true},
		{Field: schema.Field{Name: "serve", Kind: schema.Dict, Default: value.EmptyMap}},
		{Field: schema.Field{Name: "editor", Kind: schema.Text, Default: value.OfString("")}}, // CONFCTL_EDITOR goes before $EDITOR, this after it
	}
}

func namesOf(keys []key) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return names
}

// merge adds the settings of a file and the environment to v, except those with a
// mistake. It returns the nodes of the file by name.
func (s *Settings) merge(v *viper.Viper, file string, known []key) (map[string]yamldoc.Node, error) {
	for _, k := range known {
		v.SetDefault(k.Name, k.Default.Decode())
		if k.recording {
			s.reportEnv(k.Name)
		}
		if err := bindEnv(v, k); err != nil {
			s.mistaken(err, k.Name)
		}
	}
	pairs, err := readPrivate(file, "the configuration", namesOf(known))
	if err != nil || pairs == nil {
		return nil, err
	}
	nodes, values := map[string]yamldoc.Node{}, map[string]any{}
	for _, p := range pairs {
		i := slices.IndexFunc(known, func(k key) bool { return k.Name == p.Name })
		if i < 0 {
			s.unknown(p, pairs, namesOf(known))
			continue
		}
		nodes[p.Name] = p.Value
		checked, err := known[i].check(p.Value)
		if err != nil {
			s.mistaken(err, p.Name)
			continue
		}
		values[p.Name] = checked.Decode()
	}
	return nodes, v.MergeConfigMap(values)
}

// check returns the value of a setting. An error about a list or a map quotes
// nothing, because it may contain a URL with a password.
func (k key) check(n yamldoc.Node) (value.Value, error) {
	kind := n.Describe()
	if n.IsScalar() && !n.IsNull() {
		kind = "text"
	}
	switch {
	case k.Kind == schema.List && !n.IsList():
		return value.Value{}, n.Errorf("%s must be a list, not %s", k.Name, kind)
	case k.Kind == schema.Dict && !n.IsMap():
		return value.Value{}, n.Errorf("%s must be a map, not %s", k.Name, kind)
	}
	v, err := k.FromYAML(n)
	if k.Kind == schema.List || k.Kind == schema.Dict {
		err = withoutText(err, nil)
	}
	return v, err
}

// unknown records the mistake that a setting does not exist. If it looks
// misspelt, the setting that was probably meant has a mistake, too, unless the
// file also contains that one.
func (s *Settings) unknown(p yamldoc.Pair, all []yamldoc.Pair, known []string) {
	err := p.Key.Errorf("no setting %s in this file%s; known: %s", described(p.Key), nearest.Suggest(p.Name, known), strings.Join(known, ", "))
	meant, ok := nearest.To(p.Name, known)
	if !ok || slices.ContainsFunc(all, func(other yamldoc.Pair) bool { return other.Name == meant }) {
		s.mistaken(err)
		return
	}
	s.mistaken(err, meant)
}

// reportEnv records the mistake that the environment has a setting that decides
// where changes are recorded. The variable is ignored. For the namespace this
// stops the command, because it also decides where the objects are, and the
// command would change others than those that were meant.
func (s *Settings) reportEnv(name string) {
	const why = "only the configuration files say where changes are recorded"
	variable := envName(name)
	switch {
	case os.Getenv(variable) == "":
	case slices.Contains(placeSettings(), name):
		s.mistaken(&Error{Reason: OnlyInFiles, Setting: name, Msg: "environment variable " + variable + ": " + why}, name)
	default:
		s.mistaken(&Error{Reason: OnlyInFiles, Setting: name, Msg: "environment variable " + variable + " is ignored: " + why})
	}
}

// envName returns the environment variable of a setting.
func envName(setting string) string { return "CONFCTL_" + strings.ToUpper(setting) }

// bindEnv makes v read a setting from CONFCTL_<KEY>. It returns an error if the
// value is invalid.
func bindEnv(v *viper.Viper, k key) error {
	if !k.env {
		return nil
	}
	name := envName(k.Name)
	if text := os.Getenv(name); text != "" {
		if _, err := k.Parse(text); err != nil {
			return &Error{Setting: k.Name, Msg: fmt.Sprintf("environment variable %s: %v", name, err)}
		}
	}
	return v.BindEnv(k.Name)
}
