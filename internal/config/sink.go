package config

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// sinkKind is a kind of sink in confctl.yaml.
type sinkKind struct {
	name     string
	setting  string // its setting besides sink and name
	optional bool
	example  string
	// check returns what is wrong with the setting's value; empty if it is valid.
	check func(text string) string
	// sink returns the sink. The name may be empty. Relative paths are relative
	// to dir.
	sink func(name, text, dir string) sal.Sink
}

func sinkKinds() []sinkKind {
	return []sinkKind{
		{"tcpircbot", "address", false, "bot.example.net:9200", checkAddress, func(name, text, _ string) sal.Sink {
			return sal.Bot{Label: name, Address: text}
		}},
		{"file", "path", false, "/var/log/confctl.json", anything, func(name, text, dir string) sal.Sink {
			return sal.File{Label: name, Path: inDir(dir, text)}
		}},
		{"syslog", "path", true, "/dev/log", anything, func(name, text, dir string) sal.Sink {
			return sal.Syslog{Label: name, Path: inDir(dir, text)}
		}},
		{"webhook", "url", false, "https://log.example.net/confctl", checkURL, func(name, text, _ string) sal.Sink {
			return sal.Webhook{Label: name, URL: text}
		}},
	}
}

// inDir returns a path that may be relative to dir in a form that can be opened.
func inDir(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func anything(string) string { return "" }

func checkAddress(text string) string {
	host, port, err := net.SplitHostPort(text)
	n, errPort := strconv.Atoi(port)
	if err != nil || errPort != nil || host == "" || n < 1 || n > 65535 {
		return "it is a host and a port"
	}
	return ""
}

func checkURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "it is a URL of http or https"
	}
	return ""
}

// readSink reads one sink, such as {sink: file, path: /var/log/confctl.json}.
func readSink(n yamldoc.Node, dir string) (sal.Sink, error) {
	if !n.IsMap() {
		return nil, n.Errorf("a sink must be a map, not %s", described(n))
	}
	pairs, err := n.Pairs("a sink")
	if err != nil {
		return nil, err
	}
	values := valuesOf(pairs)
	k, err := kindOf(n, values["sink"])
	if err != nil {
		return nil, err
	}
	if err := k.checkPairs(pairs); err != nil {
		return nil, err
	}
	name := values["name"]
	if err := checkSinkName(name); err != nil {
		return nil, err
	}
	value, given := values[k.setting]
	if !given && !k.optional {
		return nil, n.Errorf("a %s sink needs %s, such as %s", k.name, k.setting, k.example)
	}
	if wrong := k.check(value.Text()); given && wrong != "" {
		return nil, value.Errorf("%s of a %s sink cannot be %s; %s, such as %s", k.setting, k.name, described(value), wrong, k.example)
	}
	return k.sink(name.Text(), value.Text(), dir), nil
}

// brokenSink returns the replacement of a sink with a mistake. It reports false
// if the kind or the name cannot be read.
func brokenSink(n yamldoc.Node) (sal.Broken, bool) {
	pairs, err := n.Pairs("a sink")
	if err != nil {
		return sal.Broken{}, false
	}
	values := valuesOf(pairs)
	k, err := kindOf(n, values["sink"])
	if err != nil {
		return sal.Broken{}, false
	}
	name, named := values["name"]
	if named && (name.Text() == "" || checkSinkName(name) != nil) {
		return sal.Broken{}, false
	}
	s := k.sink(name.Text(), "", "")
	return sal.Broken{Label: s.Name(), Is: s.Kind()}, true
}

func valuesOf(pairs []yamldoc.Pair) map[string]yamldoc.Node {
	values := map[string]yamldoc.Node{}
	for _, p := range pairs {
		values[p.Name] = p.Value
	}
	return values
}

// checkPairs checks that a sink has only known settings with text values.
func (k sinkKind) checkPairs(pairs []yamldoc.Pair) error {
	known := []string{"sink", "name", k.setting}
	for _, p := range pairs {
		switch {
		case p.Name != "sink" && p.Name != "name" && p.Name != k.setting:
			return p.Key.Errorf("a %s sink has no setting %s%s; known: %s", k.name, described(p.Key), nearest.Suggest(p.Name, known), strings.Join(known, ", "))
		case p.Value.Text() == "" || p.Value.IsNull():
			return p.Value.Errorf("%s of a %s sink must be text, not %s", p.Name, k.name, described(p.Value))
		}
	}
	return nil
}

// checkSinkName checks the name of a sink.
func checkSinkName(name yamldoc.Node) error {
	switch plain := regexp.MustCompile(`^[a-z0-9-]*$`); {
	case !plain.MatchString(name.Text()):
		return name.Errorf("name of a sink cannot be %s; it is a plain word of a-z, 0-9 and -", name.Describe())
	case name.Text() == sal.Unread:
		return name.Errorf("name of a sink cannot be %s: under that name messages wait for sinks whose settings are wrong", name.Describe())
	}
	return nil
}

// kindOf returns the kind of a sink by its name.
func kindOf(sink, name yamldoc.Node) (sinkKind, error) {
	var names []string
	for _, k := range sinkKinds() {
		if k.name == name.Text() {
			return k, nil
		}
		names = append(names, k.name)
	}
	if name.IsEmpty() {
		return sinkKind{}, sink.Errorf("sink is missing; it is one of %s", strings.Join(names, ", "))
	}
	return sinkKind{}, name.Errorf("sink cannot be %s%s; it is one of %s", described(name), nearest.Suggest(name.Text(), names), strings.Join(names, ", "))
}
