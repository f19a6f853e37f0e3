package cli

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// sinkKind is a word that `sink` takes in confctl.yaml.
type sinkKind struct {
	word     string
	setting  string // the one it has beside sink and name
	optional bool
	example  string
	// check returns what is wrong with the setting's value, or nothing.
	check func(text string) string
	// sink makes the sink; name may be empty. Relative paths are relative to dir.
	sink func(name, text, dir string) sal.Sink
}

func sinkKinds() []sinkKind {
	return []sinkKind{
		{"tcpircbot", "address", false, "bot.example.net:9200", checkAddress, func(name, text, _ string) sal.Sink {
			return sal.Bot{Label: name, Address: text}
		}},
		{"file", "path", false, "/var/log/confctl.json", anything, func(name, text, dir string) sal.Sink {
			return sal.File{Label: name, Path: beside(dir, text)}
		}},
		{"syslog", "path", true, "/dev/log", anything, func(name, text, dir string) sal.Sink {
			return sal.Syslog{Label: name, Path: beside(dir, text)}
		}},
		{"webhook", "url", false, "https://log.example.net/confctl", checkURL, func(name, text, _ string) sal.Sink {
			return sal.Webhook{Label: name, URL: text}
		}},
	}
}

// beside is a path as a file in that directory means it.
func beside(dir, path string) string {
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

// readSinks reads `sal` of confctl.yaml: who is told of changes. The standard sink,
// unless it is nil, is told too if no other tcpircbot is. A sink with a mistake is a
// sal.Broken, so that what it is to be told waits; the errors name the mistakes.
func readSinks(n yamldoc.Node, standard sal.Sink, dir string) ([]sal.Sink, []error) {
	l := sinkList{named: map[string]yamldoc.Node{}}
	items, err := sinksOf(n)
	if err != nil {
		l.errs, l.unread = append(l.errs, err), true
	}
	var broken []yamldoc.Node
	for _, item := range items {
		if s, err := readSink(item, dir); err == nil {
			l.add(s, item)
		} else {
			broken, l.errs = append(broken, item), append(l.errs, err)
		}
	}
	for _, item := range broken { // after those that have a right to their names
		l.addBroken(item)
	}
	if standard != nil && !slices.ContainsFunc(l.sinks, isChannel) {
		l.addStandard(standard)
	}
	if l.unread {
		l.sinks = append(l.sinks, sal.NewUnread())
	}
	return l.sinks, l.errs
}

// sinksOf returns the items of a list, which may be left out.
func sinksOf(n yamldoc.Node) ([]yamldoc.Node, error) {
	if n.IsEmpty() {
		return nil, nil
	}
	return n.Items("sal")
}

func isChannel(s sal.Sink) bool { return s.Kind() == sal.Channel }

// sinkList is the sinks that were read so far.
type sinkList struct {
	sinks  []sal.Sink
	named  map[string]yamldoc.Node
	unread bool // there are some whose names are not known
	errs   []error
}

// add adds a sink, under a name of its own.
func (l *sinkList) add(s sal.Sink, at yamldoc.Node) {
	if other, twice := l.named[s.Name()]; twice {
		l.errs = append(l.errs, at.Errorf("a sink named %s is there already, in line %d; name: WORD gives it another", s.Name(), other.Pos().Line))
		l.unread = true
		return
	}
	l.named[s.Name()], l.sinks = at, append(l.sinks, s)
}

// addBroken adds a sink with a mistake, under the name that it has once that is
// mended, as far as it can be known.
func (l *sinkList) addBroken(n yamldoc.Node) {
	s, known := brokenSink(n)
	if _, taken := l.named[s.Name()]; taken || !known {
		l.unread = true
		return
	}
	l.named[s.Name()], l.sinks = n, append(l.sinks, s)
}

// addStandard adds the bot of config.yaml.
func (l *sinkList) addStandard(s sal.Sink) {
	if other, taken := l.named[s.Name()]; taken {
		l.errs = append(l.errs, other.Errorf("a sink that is no tcpircbot cannot be named %s, which is that of tcpircbot_host in config.yaml", s.Name()))
		l.unread = true
		return
	}
	l.sinks = append(l.sinks, s)
}

// brokenSink stands for a sink with a mistake, if what it is and its name can be
// read in spite of that.
func brokenSink(n yamldoc.Node) (sal.Broken, bool) {
	pairs, err := n.Pairs("a sink")
	if err != nil {
		return sal.Broken{}, false
	}
	values := map[string]yamldoc.Node{}
	for _, p := range pairs {
		values[p.Name] = p.Value
	}
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

// readSink reads one sink, such as {sink: file, path: /var/log/confctl.json}.
func readSink(n yamldoc.Node, dir string) (sal.Sink, error) {
	if !n.IsMap() {
		return nil, n.Errorf("a sink must be a map, not %s", described(n))
	}
	pairs, err := n.Pairs("a sink")
	if err != nil {
		return nil, err
	}
	values := map[string]yamldoc.Node{}
	for _, p := range pairs {
		values[p.Name] = p.Value
	}
	k, err := kindOf(n, values["sink"])
	if err != nil {
		return nil, err
	}
	known := []string{"sink", "name", k.setting}
	for _, p := range pairs {
		switch {
		case p.Name != "sink" && p.Name != "name" && p.Name != k.setting:
			return nil, p.Key.Errorf("a %s sink has no setting %s%s; known: %s", k.word, described(p.Key), nearest.Suggest(p.Name, known), strings.Join(known, ", "))
		case p.Value.Text() == "" || p.Value.IsNull():
			return nil, p.Value.Errorf("%s of a %s sink must be text, not %s", p.Name, k.word, described(p.Value))
		}
	}
	name := values["name"]
	if err := checkSinkName(name); err != nil {
		return nil, err
	}
	value, given := values[k.setting]
	if !given && !k.optional {
		return nil, n.Errorf("a %s sink needs %s, such as %s", k.word, k.setting, k.example)
	}
	if wrong := k.check(value.Text()); given && wrong != "" {
		return nil, value.Errorf("%s of a %s sink cannot be %s; %s, such as %s", k.setting, k.word, described(value), wrong, k.example)
	}
	return k.sink(name.Text(), value.Text(), dir), nil
}

// checkSinkName checks the name that a sink is given, if it is.
func checkSinkName(name yamldoc.Node) error {
	switch plain := regexp.MustCompile(`^[a-z0-9-]*$`); {
	case !plain.MatchString(name.Text()):
		return name.Errorf("name of a sink cannot be %s; it is a plain word of a-z, 0-9 and -", name.Describe())
	case name.Text() == sal.Unread:
		return name.Errorf("name of a sink cannot be %s: under that name messages wait for sinks whose settings are wrong", name.Describe())
	}
	return nil
}

// kindOf returns the kind that a sink is said to be of.
func kindOf(sink, word yamldoc.Node) (sinkKind, error) {
	var words []string
	for _, k := range sinkKinds() {
		if k.word == word.Text() {
			return k, nil
		}
		words = append(words, k.word)
	}
	if word.IsEmpty() {
		return sinkKind{}, sink.Errorf("which sink? sink: one of %s", strings.Join(words, ", "))
	}
	return sinkKind{}, word.Errorf("sink cannot be %s%s; it is one of %s", described(word), nearest.Suggest(word.Text(), words), strings.Join(words, ", "))
}

// journal returns the log of what is done, and the sinks it is told to.
func (s *session) journal() *sal.Log {
	return &sal.Log{
		Store:  s.store,
		Prefix: s.catalog.Own(""),
		Sinks:  s.settings.sinks,
		Self:   sal.ThisProcess(hostname()),
	}
}
