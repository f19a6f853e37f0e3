package config

import (
	"errors"
	"regexp"
	"slices"
	"strconv"

	"github.com/conftool/confctl/internal/nearest"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// readPrivate returns the settings of a file that may contain a secret, or may be
// the wrong file, such as one with only a password. Errors quote only the names
// of known settings.
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

// withoutText removes quoted text, except known names, from an error about a
// position in a file.
func withoutText(err error, known []string) error {
	var at *yamldoc.Error
	if !errors.As(err, &at) {
		return err
	}
	clean := *at
	clean.Msg = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).ReplaceAllStringFunc(clean.Msg, func(quoted string) string {
		if name, err := strconv.Unquote(quoted); err == nil && slices.Contains(known, name) {
			return quoted
		}
		return "this text"
	})
	// Unquoted values that begin with *, & or ! are YAML syntax.
	clean.Msg = regexp.MustCompile(`(unknown anchor|alias|tag) .*`).ReplaceAllString(clean.Msg, "a value that begins with *, & or ! must be in quotes")
	return &clean
}

// unknownKey returns the error for an unknown setting of an etcdrc. It quotes
// only names that are close to a known one, because others may be part of a
// password, such as the text after a comma.
func unknownKey(p yamldoc.Pair, known []string) error {
	if _, isNear := nearest.To(p.Name, known); isNear {
		return p.Key.Errorf("no setting %q in an etcdrc%s", p.Name, nearest.Suggest(p.Name, known))
	}
	return p.Key.Errorf("this is not a setting of an etcdrc")
}

// described describes a node. It quotes only a plain word, because any other
// text, such as the URL of a webhook, may be a secret.
func described(n yamldoc.Node) string {
	if n.IsScalar() && !n.IsEmpty() && !regexp.MustCompile(`^[\w.:-]{0,30}$`).MatchString(n.Text()) {
		return "this text"
	}
	return n.Describe()
}
