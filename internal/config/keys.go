package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/viper"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// key is a setting that a configuration file may have.
type key struct {
	schema.Field
	env bool // CONFCTL_<KEY> sets it, too
	// recording says that the setting decides where changes are recorded, and who
	// is told of them. Only files set it, and CONFCTL_<KEY> is reported.
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
		text("services_path", "services"), // of earlier versions of the Python tool
		{Field: schema.Field{Name: "driver_options", Kind: schema.Dict, Default: value.EmptyMap}},
		{Field: schema.Field{Name: "tcpircbot_host", Kind: schema.Text, Default: value.OfString("")}, recording: true},
		{Field: schema.Field{Name: "tcpircbot_port", Kind: schema.Int, NotNegative: true, Default: value.OfInt(0)}, recording: true},
		text("cache_path", ""),
		text("conftool2git_address", ""),
	}
}

// Drivers returns what the setting driver takes.
func Drivers() []string { return []string{"etcd", "local"} }

// ownKeys are the settings of confctl.yaml.
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

// merge adds the settings of a file, and of the environment, to v, without those
// that have a mistake. It returns the file's values by name.
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

// check returns the value of a setting. For a list or a map an error quotes nothing,
// since there may be a URL with a password in it.
func (k key) check(n yamldoc.Node) (value.Value, error) {
	is := n.Describe()
	if n.IsScalar() && !n.IsNull() {
		is = "text"
	}
	switch {
	case k.Kind == schema.List && !n.IsList():
		return value.Value{}, n.Errorf("%s must be a list, not %s", k.Name, is)
	case k.Kind == schema.Dict && !n.IsMap():
		return value.Value{}, n.Errorf("%s must be a map, not %s", k.Name, is)
	}
	v, err := k.FromYAML(n)
	if k.Kind == schema.List || k.Kind == schema.Dict {
		err = withoutText(err, nil)
	}
	return v, err
}

// unknown reports a setting that does not exist. If it is mistyped, so is the one
// that was probably meant, unless that is there as well.
func (s *Settings) unknown(p yamldoc.Pair, all []yamldoc.Pair, known []string) {
	err := p.Key.Errorf("no setting %s in this file%s; known: %s", described(p.Key), nearest.Suggest(p.Name, known), strings.Join(known, ", "))
	meant, ok := nearest.To(p.Name, known)
	if !ok || slices.ContainsFunc(all, func(other yamldoc.Pair) bool { return other.Name == meant }) {
		s.mistaken(err)
		return
	}
	s.mistaken(err, meant)
}

// reportEnv reports that the environment has a setting that says where changes are
// recorded. The variable is ignored, except for the namespace, which also says where
// the objects are: to ignore that would change objects other than those meant.
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

// envName is the environment variable for a setting.
func envName(setting string) string { return "CONFCTL_" + strings.ToUpper(setting) }

// bindEnv lets CONFCTL_<KEY> set a scalar, if its value is valid.
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
