package config

import (
	"errors"
	"regexp"
	"slices"
	"strconv"

	"github.com/conftool/confctl/pkg/nearest"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// readPrivate returns the settings in a file that may hold a secret, or may be the
// wrong file, such as one with nothing but a password: errors quote nothing of it but
// the names of known settings.
func readPrivate(file, what string, known []string) ([]yamldoc.Pair, error) {
	doc, err := yamldoc.Read(file)
	switch {
	case err != nil:
		return nil, withoutText(err, known)
	case doc.IsEmpty():
		return nil, nil
	case !doc.IsMap():
		return nil, doc.Errorf("%s must be a map, with a setting in each line, such as %s: ...", what, known[0])
	}
	pairs, err := doc.Pairs(what)
	return pairs, withoutText(err, known)
}

// withoutText returns an error about a place in a file without the text at that
// place. Known names stay.
func withoutText(err error, known []string) error {
	var at *yamldoc.Error
	if !errors.As(err, &at) {
		return err
	}
	clean := *at
	clean.Msg = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).ReplaceAllStringFunc(clean.Msg, func(quoted string) string {
		if word, err := strconv.Unquote(quoted); err == nil && slices.Contains(known, word) {
			return quoted
		}
		return "this text"
	})
	// A value that begins with * or ! and is not quoted means something to YAML.
	clean.Msg = regexp.MustCompile(`(unknown anchor|alias|tag) .*`).ReplaceAllString(clean.Msg, "a value that begins with *, & or ! must be in quotes")
	return &clean
}

// unknownKey returns the error for an unknown setting of an etcdrc. It quotes only
// what is close to a known one: anything else may be part of a password, such as what
// follows a comma.
func unknownKey(p yamldoc.Pair, known []string) error {
	if _, isNear := nearest.To(p.Name, known); isNear {
		return p.Key.Errorf("no setting %q in an etcdrc%s", p.Name, nearest.Suggest(p.Name, known))
	}
	return p.Key.Errorf("this is not a setting of an etcdrc")
}

// described returns what a node is. It quotes only a plain word: anything else, such
// as the URL of a webhook, may be a secret.
func described(n yamldoc.Node) string {
	if n.IsScalar() && !n.IsEmpty() && !regexp.MustCompile(`^[\w.:-]{0,30}$`).MatchString(n.Text()) {
		return "this text"
	}
	return n.Describe()
}
