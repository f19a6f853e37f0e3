package readers

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// read reads the value of one key.
func (d *declaration) read(key string, n yamldoc.Node) {
	switch key {
	case "headers":
		d.headers(n)
	case "hosts":
		d.hosts(n)
	case "answers":
		d.answers(n)
	case "fields":
		d.fields(n)
	case "values":
		d.values(n)
	default:
		text := strings.TrimSpace(n.Text())
		if text == "" || n.IsNull() || oneLine(text) != strings.ReplaceAll(text, "|", "/") {
			d.failKey(n, key, expected("a word, or a line of text, is expected"))
		} else if err := d.set(key, text); err != nil {
			d.failKey(n, key, err)
		}
	}
}

// set sets a key whose value is a string.
func (d *declaration) set(key, text string) (err error) {
	r := &d.r
	switch key {
	case "label":
		r.Label = text
		_, err = placeholders(text, r.Type)
	case "only":
		r.Only, err = r.Type.Selector(text)
	case "within":
		r.Within, err = time.ParseDuration(text)
		if err != nil || r.Within <= 0 || r.Within > 24*time.Hour {
			return expected("how late it may be is expected, as 30s or 5m, up to 24h")
		}
	case "url", "path":
		r.Target = text
		err = r.checkTarget()
	case "name":
		if r.Kind == Rendered {
			r.rendered.name, err = parsePath(text)
			return err
		}
		r.Target = text
		err = r.checkTarget()
	case "ca":
		r.ca = text
	case "server":
		r.server = text
		_, err = hostPort(text, "53")
	case "pattern":
		if r.Kind == Rendered {
			return d.renderedPattern(text)
		}
		if r.pattern, err = regexp.Compile(text); err != nil || r.pattern.NumSubexp() != 1 {
			return expected("a regular expression (RE2) with one group is expected, as in: index: ([0-9]+)")
		}
	case "unit":
		if r.revision = text == "revision"; !r.revision && text != "index" {
			return expected("index, which is the gateway's, or revision, which is the store's, is expected")
		}
	case "reports":
		if r.wholeStore = text == "store"; !r.wholeStore && text != "objects" {
			return expected("objects, of which it is the highest index, or store, for how far it has read that, is expected")
		}
	case "ttl":
		return d.setTTL(text)
	default:
		return d.setRendered(key, text)
	}
	return err
}

func (d *declaration) setTTL(text string) error {
	var ok bool
	if d.r.ttl, ok = parseTTL(text); !ok {
		return expected("none, or the range in seconds that the zone allows, as 10-300, is expected")
	}
	if !hasTTL(d.typ) {
		return fmt.Errorf("type %s has no field %s of type int to compare with", d.typ.Name, ttlField)
	}
	return nil
}

var headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

func (d *declaration) headers(n yamldoc.Node) {
	pairs, err := n.Pairs("headers")
	if err != nil {
		d.fail(err)
	}
	d.r.headers = map[string]string{}
	for _, p := range pairs {
		text := p.Value.Text()
		if !headerName.MatchString(p.Name) || text == "" || strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
			d.failAt(p.Key, "headers cannot hold %q: %s", p.Name, p.Value.Describe())
		}
		d.r.headers[p.Name] = text
	}
}

// items returns the elements of a list, or a list with only n if it is not a list.
func items(n yamldoc.Node) []yamldoc.Node {
	if all, err := n.Items(""); err == nil {
		return all
	}
	return []yamldoc.Node{n}
}

// answers reads the networks of each place.
func (d *declaration) answers(n yamldoc.Node) {
	pairs, err := n.Pairs("answers")
	if err != nil {
		d.fail(err)
	} else if len(pairs) == 0 {
		d.failAt(n, "answers is empty: by the name of an object, the addresses of its place are expected")
	}
	d.r.answers = map[string][]netip.Prefix{}
	for _, p := range pairs {
		networks := items(p.Value)
		if len(networks) == 0 {
			d.failAt(p.Value, "answers: %s has no network", p.Name)
		}
		for _, item := range networks {
			if _, err := parsePrefix(p.Name); err == nil {
				d.failAt(p.Key, "answers: %s and %s are swapped: the name of the object comes first, as in {%s: %s}", p.Name, printable(item.Text()), printable(item.Text()), p.Name)
			} else {
				d.network(p.Name, item)
			}
		}
	}
}

// network reads one network of a place. The same network for two places is an error,
// because it would not identify either.
func (d *declaration) network(place string, n yamldoc.Node) {
	network, err := parsePrefix(n.Text())
	if err != nil {
		d.failAt(n, "answers: %s is neither an address nor a network: 10.2.1.0/24, for one", n.Describe())
		return
	}
	for _, other := range slices.Sorted(maps.Keys(d.r.answers)) {
		if other != place && slices.Contains(d.r.answers[other], network) {
			d.failAt(n, "answers: %s is of %s, too, and can tell one place only", network, other)
		}
	}
	d.r.answers[place] = append(d.r.answers[place], network)
}

// parsePrefix parses a network or a single address.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err
}

// hosts reads a list of hosts, {type: TYPE, select: SELECTOR}, or a DNS name.
func (d *declaration) hosts(n yamldoc.Node) {
	switch {
	case n.IsMap():
		d.hostsOfType(n)
	case n.IsList():
		for _, item := range items(n) {
			if d.r.hosts.list = append(d.r.hosts.list, item.Text()); !isHost(item.Text()) {
				d.failAt(item, "hosts: %s is no HOST or HOST:PORT", item.Describe())
			}
		}
		switch given := len(d.r.hosts.list); {
		case given == 0:
			d.failAt(n, "hosts is empty: who is to be asked?")
		case given > maxHosts:
			d.failAt(n, "hosts: %d are too many: at most %d are asked", given, maxHosts)
		}
	default:
		if d.r.hosts.name = n.Text(); !isHost(d.r.hosts.name) {
			d.failKey(n, "hosts", expected("a list of hosts, {type: TYPE, select: SELECTOR}, or a DNS name whose every address is to be asked, is expected"))
		}
	}
}

func (d *declaration) hostsOfType(n yamldoc.Node) {
	pairs, err := n.Pairs("hosts")
	if err != nil {
		d.fail(err)
		return
	}
	parts := map[string]yamldoc.Node{}
	for _, p := range pairs {
		if parts[p.Name] = p.Value; p.Name != "type" && p.Name != "select" {
			d.failAt(p.Key, "hosts has no %q; it takes type and select", p.Name)
		}
	}
	of, given := parts["type"]
	if !given {
		d.failAt(n, "hosts needs type: the names of which objects are they?")
		return
	}
	if d.r.hosts.typ, err = d.schema.Type(of.Text()); err != nil {
		if errors.As(err, new(*schema.InvalidError)) {
			err = fmt.Errorf("type %s cannot be used", of.Text())
		}
		d.failKey(of, "hosts", err)
		return
	}
	if sel, given := parts["select"]; given {
		if d.r.hosts.only, err = d.r.hosts.typ.Selector(strings.TrimSpace(sel.Text())); err != nil {
			d.failAt(sel, "hosts: select: %v", err)
		}
	}
}
