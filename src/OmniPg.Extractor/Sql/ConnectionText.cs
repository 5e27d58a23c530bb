using System.Text;

namespace OmniPg.Extractor;

/// <summary>libpq connection strings, in the keyword form and as URI, with their secrets replaced.</summary>
internal static class ConnectionText
{
    public static string Rewrite(string connection, Func<string, string, string> replace) =>
        connection.Contains("://", StringComparison.Ordinal) ? RewriteUri(connection, replace) : RewriteKeywords(connection, replace);

    private static string RewriteKeywords(string text, Func<string, string, string> replace)
    {
        var result = new StringBuilder();
        var at = 0;
        while (at < text.Length)
        {
            var equals = text.IndexOf('=', at);
            if (equals < 0)
                break;
            var name = text[at..equals].Trim();
            var start = equals + 1;
            while (start < text.Length && char.IsWhiteSpace(text[start]))
                start++;
            var (value, end) = ReadValue(text, start);
            var changed = SecretRedactor.IsSecret(name) ? replace(name, value) : value;
            result.Append(text, at, start - at).Append(changed == value ? text[start..end] : QuoteValue(changed));
            at = end;
        }
        return result.Append(text, at, text.Length - at).ToString();
    }

    private static (string Value, int End) ReadValue(string text, int start)
    {
        var value = new StringBuilder();
        var quoted = start < text.Length && text[start] == '\'';
        var at = quoted ? start + 1 : start;
        for (; at < text.Length; at++)
        {
            if (quoted ? text[at] == '\'' : char.IsWhiteSpace(text[at]))
                break;
            if (text[at] == '\\' && at + 1 < text.Length)
                at++;
            value.Append(text[at]);
        }
        return (value.ToString(), quoted && at < text.Length ? at + 1 : at);
    }

    private static string QuoteValue(string value)
    {
        var plain = value.Length > 0 && value.All(static c => char.IsLetterOrDigit(c) || c is '*' or '_' or '-' or '.' or '/');
        return plain ? value : "'" + value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("'", @"\'", StringComparison.Ordinal) + "'";
    }

    // scheme://user:secret@host/database?password=secret
    private static string RewriteUri(string text, Func<string, string, string> replace)
    {
        var authority = text.IndexOf("://", StringComparison.Ordinal) + 3;
        var path = text.IndexOfAny(['/', '?'], authority);
        var at = text.LastIndexOf('@', (path < 0 ? text.Length : path) - 1);
        var colon = at < authority ? -1 : text.IndexOf(':', authority, at - authority);
        if (colon >= 0)
            text = text[..(colon + 1)] + Encode(Uri.UnescapeDataString(text[(colon + 1)..at]), replace, "password") + text[at..];
        var query = text.IndexOf('?', StringComparison.Ordinal);
        if (query < 0)
            return text;
        var parameters = text[(query + 1)..].Split('&').Select(parameter =>
        {
            var equals = parameter.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? parameter : parameter[..equals];
            return equals >= 0 && SecretRedactor.IsSecret(name)
                ? $"{name}={Encode(Uri.UnescapeDataString(parameter[(equals + 1)..]), replace, name)}"
                : parameter;
        });
        return text[..(query + 1)] + string.Join('&', parameters);
    }

    private static string Encode(string value, Func<string, string, string> replace, string name)
    {
        var changed = replace(name, value);
        return changed == SecretRedactor.Mask ? changed : Uri.EscapeDataString(changed);
    }
}
