package account

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Person returns who is behind the process: the name, as it is recorded and
// announced, and the user id. For root it is the name in SUDO_USER, if there is one.
// A user without a usable name is called uid-N.
func (a Account) Person() (name, id string) {
	id = strconv.Itoa(a.UID)
	if sudo := shortName(a.Getenv("SUDO_USER")); sudo != "" && a.UID == 0 {
		return sudo, id
	}
	if name = shortName(a.Login()); name == "" {
		name = "uid-" + id
	}
	return name, id
}

// shortName returns a name as a word of at most 32 letters, digits, dots, hyphens
// and underscores. Anything else in it, as in alice@corp or CORP\alice, becomes an
// underscore: an announcement names USER@HOST, and a name with an @ or a blank in it
// could forge one. It is empty if nothing but punctuation is left.
func shortName(name string) string {
	const maxLen = 32
	word := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r)) {
			return r
		}
		return '_'
	}, name)
	if word = word[:min(len(word), maxLen)]; strings.Trim(word, "._-") == "" {
		return ""
	}
	return word
}
