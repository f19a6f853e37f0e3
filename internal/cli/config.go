package cli

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

	"github.com/conftool/confctl/internal/account"
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
	mistakes      mistakes
}

// setting is one key of a configuration file.
type setting struct {
	field schema.Field
	env   bool // may be set by CONFCTL_<KEY>
	// recording says that the setting decides where changes are recorded, and who
	// is told of them. Only files set it, and CONFCTL_<KEY> is not passed over in
	// silence.
	recording bool
}

// sharedSettings are the keys of config.yaml. The Python library reads that
// file too, and refuses any other.
func sharedSettings() []setting {
	text := func(name, standard string) setting {
		return setting{field: schema.Field{Name: name, Kind: schema.Text, Default: value.OfString(standard)}, env: true}
	}
	return []setting{
		{field: schema.Field{Name: "driver", Kind: schema.Enum, Words: []string{"etcd", "local"}, Default: value.OfString("etcd")}, env: true},
		{field: schema.Field{Name: "hosts", Kind: schema.List, Default: value.EmptyList}},
		{field: schema.Field{Name: "namespace", Kind: schema.Text, Default: value.OfString("/conftool")}, recording: true},
		text("api_version", "v1"),
		text("pools_path", "pools"),
		text("services_path", "services"), // of earlier versions of the Python tool
		{field: schema.Field{Name: "driver_options", Kind: schema.Dict, Default: value.EmptyMap}},
		{field: schema.Field{Name: "tcpircbot_host", Kind: schema.Text, Default: value.OfString("")}, recording: true},
		{field: schema.Field{Name: "tcpircbot_port", Kind: schema.Int, NotNegative: true, Default: value.OfInt(0)}, recording: true},
		text("cache_path", ""),
		text("conftool2git_address", ""),
	}
}

// ownSettings are the keys of confctl.yaml beside it.
func ownSettings() []setting {
	return []setting{
		{field: schema.Field{Name: "timeout", Kind: schema.Text, Default: value.OfString("5s")}, env: true},
		{field: schema.Field{Name: "safety_mode", Kind: schema.Enum, Words: safetyModes(), Default: value.OfString("enforce")}}, // see safetyMode
		{field: schema.Field{Name: "sal", Kind: schema.List, Default: value.EmptyList}, recording: true},
		{field: schema.Field{Name: "output", Kind: schema.Enum, Words: formats(), Default: value.OfString("")}, env: true},
		{field: schema.Field{Name: "data_directory", Kind: schema.Text, Default: value.OfString("")}, env: true},
		{field: schema.Field{Name: "serve", Kind: schema.Dict, Default: value.EmptyMap}},
		{field: schema.Field{Name: "editor", Kind: schema.Text, Default: value.OfString("")}}, // CONFCTL_EDITOR goes before $EDITOR, this after it
	}
}

// loadSettings reads config.yaml, confctl.yaml beside it, and the environment,
// the later ones counting more. A mistake is an error only if it leaves open where
// the objects are: the others are among the settings' mistakes.
func loadSettings(g *globals) (*settings, error) {
	file, err := findConfig(g.config)
	if err != nil {
		return nil, err
	}
	s := &settings{file: file}
	v := viper.New()
	v.SetEnvPrefix("confctl")
	shared, err := s.merge(v, file, sharedSettings())
	if err != nil {
		return nil, err
	}
	own, err := s.merge(v, filepath.Join(filepath.Dir(file), "confctl.yaml"), ownSettings())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.mistaken(err, namesOf(ownSettings())...)
	}
	if err := s.mistakes.of(placeSettings()...); err != nil {
		return nil, err
	}
	s.driver = v.GetString("driver")
	s.hosts = v.GetStringSlice("hosts")
	s.namespace = v.GetString("namespace")
	s.apiVersion = v.GetString("api_version")
	s.poolsPath = v.GetString("pools_path")
	s.driverOptions = options(shared["driver_options"])
	s.output = v.GetString("output")
	s.dataDirectory = v.GetString("data_directory")
	s.editor = v.GetString("editor")
	if err := checkRoot(s); err != nil {
		return nil, err
	}
	if err := checkHosts(shared["hosts"]); err != nil {
		s.mistaken(err, "hosts")
	}
	s.readTimeout(v)
	s.readSafetyMode(v)
	s.readSinks(own["sal"], v)
	if s.mistakes.of("serve") == nil {
		if s.serve, err = readServe(own["serve"]); err != nil {
			s.mistaken(err, "serve")
		}
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
	if own := account.Self().ConfigDir(); own != "" {
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

// merge adds the settings of one file, and of the environment, to v, without those
// that have a mistake. It returns the file's values by key.
func (s *settings) merge(v *viper.Viper, file string, known []setting) (map[string]yamldoc.Node, error) {
	for _, k := range known {
		v.SetDefault(k.field.Name, k.field.Default.Decode())
		if k.recording {
			s.recordedByFiles(k.field.Name)
		}
		if err := bindEnv(v, k); err != nil {
			s.mistaken(err, k.field.Name)
		}
	}
	pairs, err := readPrivate(file, "the configuration", namesOf(known))
	if err != nil || pairs == nil {
		return nil, err
	}
	found, values := map[string]yamldoc.Node{}, map[string]any{}
	for _, p := range pairs {
		i := slices.IndexFunc(known, func(k setting) bool { return k.field.Name == p.Name })
		if i < 0 {
			s.unknown(p, pairs, namesOf(known))
			continue
		}
		found[p.Name] = p.Value
		checked, err := checkSetting(known[i].field, p.Value)
		if err != nil {
			s.mistaken(err, p.Name)
			continue
		}
		values[p.Name] = checked.Decode()
	}
	return found, v.MergeConfigMap(values)
}

// checkSetting returns the value of a setting. Of a list or a map an error quotes
// nothing: there may be a URL with a password in it.
func checkSetting(f schema.Field, n yamldoc.Node) (value.Value, error) {
	is := n.Describe()
	if n.IsScalar() && !n.IsNull() {
		is = "text"
	}
	switch {
	case f.Kind == schema.List && !n.IsList():
		return value.Value{}, n.Errorf("%s must be a list, not %s", f.Name, is)
	case f.Kind == schema.Dict && !n.IsMap():
		return value.Value{}, n.Errorf("%s must be a map, not %s", f.Name, is)
	}
	v, err := f.FromYAML(n)
	if f.Kind == schema.List || f.Kind == schema.Dict {
		err = withoutText(err, nil)
	}
	return v, err
}

func namesOf(all []setting) []string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.field.Name
	}
	return names
}

// unknown notes that a setting is not known. If it is mistyped, so is the one that
// was probably meant, unless that is there as well.
func (s *settings) unknown(p yamldoc.Pair, all []yamldoc.Pair, known []string) {
	err := p.Key.Errorf("no setting %s in this file%s; known: %s", described(p.Key), nearest.Suggest(p.Name, known), strings.Join(known, ", "))
	meant, ok := nearest.To(p.Name, known)
	if !ok || slices.ContainsFunc(all, func(other yamldoc.Pair) bool { return other.Name == meant }) {
		s.mistaken(err)
		return
	}
	s.mistaken(err, meant)
}

// recordedByFiles notes that the environment says where changes are recorded. That is
// a warning, but for the namespace, which also says where the objects are: to ignore
// it would be to change others than those that are meant.
func (s *settings) recordedByFiles(name string) {
	const why = "only the configuration files say where changes are recorded"
	variable := envName(name)
	switch {
	case os.Getenv(variable) == "":
	case slices.Contains(placeSettings(), name):
		s.mistaken(&usageError{"environment variable " + variable + ": " + why, "unset it; another configuration is named with --config FILE"}, name)
	default:
		s.mistaken(&usageError{"environment variable " + variable + " is ignored: " + why, ""})
	}
}

// envName is the environment variable for a setting.
func envName(setting string) string { return "CONFCTL_" + strings.ToUpper(setting) }

// bindEnv lets CONFCTL_<KEY> set a scalar, if it is valid there.
func bindEnv(v *viper.Viper, s setting) error {
	if !s.env {
		return nil
	}
	name := envName(s.field.Name)
	if text := os.Getenv(name); text != "" {
		if _, err := s.field.Parse(text); err != nil {
			return &usageError{fmt.Sprintf("environment variable %s: %v", name, err), ""}
		}
	}
	return v.BindEnv(s.field.Name)
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

// readSinks reads who is told of changes. If that cannot be read, there are some
// whose names are not known.
func (s *settings) readSinks(n yamldoc.Node, v *viper.Viper) {
	standard := s.bot(v)
	unreadable := s.mistakes.of("sal") != nil
	if unreadable {
		n = yamldoc.Node{} // that it is no list is said already
	}
	sinks, errs := readSinks(n, standard, filepath.Dir(s.file))
	for _, err := range errs {
		s.mistaken(err, "sal")
	}
	if unreadable {
		sinks = append(sinks, sal.NewUnread())
	}
	s.sinks = sinks
}

// bot returns the bot of config.yaml, or nil if it has none.
func (s *settings) bot(v *viper.Viper) sal.Sink {
	host, port := v.GetString("tcpircbot_host"), v.GetInt("tcpircbot_port")
	mistaken := func(setting string) bool { return s.mistakes.of(setting) != nil }
	noPort := port < 1 || port > 65535
	if host != "" && !mistaken("tcpircbot_port") && noPort {
		s.mistaken(&usageError{fmt.Sprintf("tcpircbot_port cannot be %d; it is a port from 1 to 65535", port), ""})
	}
	bot := sal.Bot{Address: joinHostPort(host, strconv.Itoa(port))}
	switch {
	case mistaken("tcpircbot_host"), host != "" && (noPort || mistaken("tcpircbot_port")):
		return sal.Broken{Label: bot.Name(), Is: bot.Kind()}
	case host == "":
		return nil
	}
	return bot
}

// safetyModes are the words for safety.Refuse, Warn and None.
func safetyModes() []string { return []string{"enforce", "warn", "off"} }

// readSafetyMode reads the mode of the configuration, or a stricter one that the
// environment has: nothing there makes it looser. A mistake leaves the strictest.
func (s *settings) readSafetyMode(v *viper.Viper) {
	mode := func(word string) safety.Mode { return safety.Refuse - safety.Mode(slices.Index(safetyModes(), word)) }
	configured := v.GetString("safety_mode")
	s.safetyMode = mode(configured)
	if s.mistakes.of("safety_mode") != nil {
		s.safetyMode = safety.Refuse
	}
	switch asked := os.Getenv("CONFCTL_SAFETY_MODE"); {
	case asked == "":
	case !slices.Contains(safetyModes(), asked):
		s.safetyMode = safety.Refuse
		s.mistaken(&usageError{fmt.Sprintf("environment variable CONFCTL_SAFETY_MODE: safety_mode cannot be %q; it takes one of %s", asked, strings.Join(safetyModes(), ", ")), ""}, "safety_mode")
	case mode(asked) < s.safetyMode:
		s.mistaken(&usageError{fmt.Sprintf("environment variable CONFCTL_SAFETY_MODE cannot loosen the safety_mode %s of the configuration", configured), "it can only make it stricter; to override a rule once: --allow RULE --reason TEXT"}, "safety_mode")
	default:
		s.safetyMode = mode(asked)
	}
}

// readTimeout reads the timeout; after a mistake it is the standard one.
func (s *settings) readTimeout(v *viper.Viper) {
	const standard = 5 * time.Second
	var err error
	if s.timeout, err = timeout(v.GetString("timeout")); err != nil {
		s.timeout = standard
		s.mistaken(err, "timeout")
	}
}

func timeout(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 100*time.Millisecond || d > time.Hour {
		return 0, &usageError{fmt.Sprintf("timeout cannot be %q; it is a time such as 5s or 1m30s, from 100ms to 1h", text), "it is set in confctl.yaml or by CONFCTL_TIMEOUT"}
	}
	return d, nil
}
