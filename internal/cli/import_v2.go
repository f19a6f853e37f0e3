package cli

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/conftool/confctl/internal/account"
	"github.com/conftool/confctl/pkg/dump"
	"github.com/conftool/confctl/pkg/etcdv2"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/store/etcd"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// ruleStray is of keys that are no object of a type that can be used.
const ruleStray = "stray-key"

// v2Source is the keys of the Python tool. What does not fit the schema is left
// out, as a site can hardly be moved in one go otherwise. So are keys that are no
// objects: all, if all types are meant, else those at the paths of the types.
func (s *session) v2Source(o importOptions, types []*schema.Type, all bool) (source, error) {
	c, err := s.v2Config(o)
	if err != nil {
		return source{}, err
	}
	read := func(ctx context.Context) (dump.Dump, []*yamldoc.Error, error) {
		entries, err := etcdv2.Read(ctx, c, s.settings.namespace+"/"+s.settings.apiVersion)
		if err != nil {
			return dump.Dump{}, nil, err
		}
		found := s.catalog.Decode(entries, s.schema.Types()...)
		found.Objects = slices.DeleteFunc(found.Objects, func(o object.Object) bool { return !slices.Contains(types, o.Type) })
		d, left := dump.Of(s.schema, types, found, s.catalog.Key)
		left = append(left, s.strays(slices.DeleteFunc(found.Strays, func(key string) bool { return !all && !s.under(key, types) }))...)
		return d, left, nil
	}
	return source{name: o.fromV2, title: o.fromV2, read: read}, nil
}

// strays says of keys why they are no objects.
func (s *session) strays(keys []string) []*yamldoc.Error {
	usable := s.schema.Types()
	var left []*yamldoc.Error
	for _, key := range keys {
		why := "no object of any type"
		for _, t := range s.schema.Declared() {
			if !slices.Contains(usable, t) && len(s.catalog.Outside([]string{key}, t.Path)) == 0 {
				why = "its type " + t.Name + " cannot be used, see the schema"
			}
		}
		left = append(left, &yamldoc.Error{Pos: yamldoc.Pos{File: key}, Msg: why, Rule: ruleStray})
	}
	return left
}

// under reports whether a key is at the path of one of some types.
func (s *session) under(key string, types []*schema.Type) bool {
	return slices.ContainsFunc(types, func(t *schema.Type) bool { return len(s.catalog.Outside([]string{key}, t.Path)) == 0 })
}

// v2Config says where the API is and as whom to ask it. The password of one
// server is not sent to another. Certificates may be shown to any: they give
// nothing away.
func (s *session) v2Config(o importOptions) (etcdv2.Config, error) {
	c := etcdv2.Config{URL: o.fromV2}
	rc, own := etcdrc{}, o.etcdrc != ""
	var err error
	switch {
	case own:
		err = rc.merge(o.etcdrc)
	case s.settings.driver == "etcd":
		if _, rc, err = loadEtcdrc(s.settings, account.Self(), s.Warn); err == nil {
			own, err = rc.serves(o.fromV2, s.settings.hosts)
		}
	}
	if err != nil {
		return c, err
	}
	cert, key, err := rc.certificate()
	if err != nil {
		return c, err
	}
	if own {
		c.Username, c.Password = rc["username"].Text(), rc["password"].Text()
	}
	c.TLS, err = etcd.TLS(rc["ca_cert"].Text(), cert, key)
	return c, err
}

// serves reports whether a URL is of one of the endpoints of an etcdrc, or of
// those that stand for them when there are none: by scheme, host and port. Those
// that a srv_domain stands for are not known here.
func (rc etcdrc) serves(address string, hosts []string) (bool, error) {
	endpoints, err := rc.endpoints()
	switch {
	case err != nil:
		return false, err
	case rc["srv_domain"].Text() != "":
		return false, nil
	case len(endpoints) == 0:
		endpoints = hosts
	}
	at := origin(address)
	return at != "" && slices.ContainsFunc(endpoints, func(e string) bool { return origin(e) == at }), nil
}

// origin is scheme, host and port of a URL; it is empty if it has not got them.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	case u.Scheme == "http":
		port = "80"
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
