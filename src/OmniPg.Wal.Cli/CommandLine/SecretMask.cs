namespace OmniPg.Wal.Cli;

/// <summary>Hides passwords and keys in words and environment variables before they reach a log.</summary>
internal static class SecretMask
{
    private const string Masked = "***";

    private static readonly string[] SecretWords = ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "ACCESSKEY", "ACCESS_KEY", "ACCOUNTKEY", "SIGNATURE", "CREDENTIAL"];

    // The driver's short forms of Password; as a variable PWD is a folder.
    private static readonly string[] ShortWords = ["PWD", "PSW"];

    /// <summary>The word with the value of every <c>password=…</c> and the password of every URL replaced.</summary>
    public static string Word(string text)
    {
        text = Url(text);
        foreach (var secret in SecretWords.Concat(ShortWords))
        {
            for (var at = text.IndexOf(secret, StringComparison.OrdinalIgnoreCase); at >= 0; at = Next(text, secret, at))
            {
                var equals = at + secret.Length;
                while (equals < text.Length && text[equals] == ' ')
                    equals++;
                if (equals >= text.Length || text[equals] != '=')
                    continue;
                text = string.Concat(text.AsSpan(0, equals + 1), Masked, text.AsSpan(EndOfValue(text, equals + 1)));
            }
        }

        return text;
    }

    /// <summary>The value of an environment variable, hidden when its name sounds like a secret.</summary>
    public static string Variable(string name, string value) =>
        Array.Exists(SecretWords, s => name.Contains(s, StringComparison.OrdinalIgnoreCase)) ? Masked : Word(value);

    private static int Next(string text, string secret, int at) => text.IndexOf(secret, at + secret.Length, StringComparison.OrdinalIgnoreCase);

    private static int EndOfValue(string text, int start)
    {
        while (start < text.Length && text[start] == ' ')
            start++;
        if (start < text.Length && text[start] is '\'' or '"')
        {
            var quote = text.IndexOf(text[start], start + 1);
            // A doubled one stands for itself.
            while (quote >= 0 && quote + 1 < text.Length && text[quote + 1] == text[start])
                quote = text.IndexOf(text[start], quote + 2);
            return quote < 0 ? text.Length : quote + 1;
        }

        // Where semicolons part the values, a blank is part of one.
        var end = text.AsSpan(start).IndexOfAny(text.Contains(';', StringComparison.Ordinal) ? ";" : "& ");
        return end < 0 ? text.Length : start + end;
    }

    private static string Url(string text)
    {
        var scheme = text.IndexOf("://", StringComparison.Ordinal);
        if (scheme < 0)
            return text;
        var at = text.IndexOf('@', scheme);
        var colon = text.IndexOf(':', scheme + 3);
        return colon > 0 && colon < at ? string.Concat(text.AsSpan(0, colon + 1), Masked, text.AsSpan(at)) : text;
    }
}
