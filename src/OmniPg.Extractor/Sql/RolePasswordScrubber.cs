using System.Text;

namespace OmniPg.Extractor;

/// <summary>Takes password hashes out of scripts that create roles, such as files that PG Extractor or <c>pg_dumpall</c> wrote earlier.</summary>
/// <remarks>
/// Concerns <c>CREATE</c> and <c>ALTER</c> of <c>ROLE</c>, <c>USER</c> and <c>GROUP</c>: the word <c>PASSWORD</c> goes with its text and with
/// <c>ENCRYPTED</c> before it, over any number of lines. All else stays as it is, to the byte. Stands for <c>--remove_passwords</c>. Thread-safe.
/// </remarks>
public static class RolePasswordScrubber
{
    /// <summary>Takes the passwords out of a script.</summary>
    /// <param name="script">The script.</param>
    /// <returns>The script without them; the same instance when it holds none.</returns>
    public static string Scrub(string script)
    {
        ArgumentNullException.ThrowIfNull(script);
        var result = new StringBuilder(script.Length);
        var copied = 0;
        var reader = new SqlTokenReader(script);
        var statement = new RoleStatement();
        SqlToken previous = default;
        for (var token = reader.Next(); token.Kind != SqlTokenKind.End; token = reader.Next())
        {
            if (statement.IsEmpty && token.IsSymbol('\\'))
            {
                // A line for psql alone ends at its line end, without a semicolon: \restrict, \connect.
                SkipLine(script, token.Start, ref reader);
                continue;
            }
            if (statement.IsAboutRole && token.IsKeyword("PASSWORD"))
            {
                var secret = reader.Next();
                if (secret.Kind == SqlTokenKind.Literal)
                {
                    var start = previous.IsKeyword("ENCRYPTED") || previous.IsKeyword("UNENCRYPTED") ? previous.Start : token.Start;
                    result.Append(script, copied, start - copied);
                    TrimEnd(result);
                    copied = secret.End;
                    continue;
                }
                token = secret;
            }
            statement.See(token);
            previous = token;
        }
        return copied == 0 ? script : result.Append(script, copied, script.Length - copied).ToString();
    }

    /// <summary>Takes the passwords out of a file, or of any other stream of bytes in an encoding that contains ASCII.</summary>
    /// <param name="input">The script; read to its end, stays open. It is held in memory: such files are small.</param>
    /// <param name="output">Takes the script without passwords; stays open. Not the same file as the input.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    /// <returns>Whether there were any.</returns>
    public static async Task<bool> ScrubAsync(Stream input, Stream output, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(output);
        // Latin-1 maps every byte to one character and back, so names in an encoding that nobody knows survive.
        using var reader = new StreamReader(input, Encoding.Latin1, detectEncodingFromByteOrderMarks: false, leaveOpen: true);
        var script = await reader.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
        var scrubbed = Scrub(script);
        await output.WriteAsync(Encoding.Latin1.GetBytes(scrubbed), cancellationToken).ConfigureAwait(false);
        return !ReferenceEquals(script, scrubbed);
    }

    private static void SkipLine(string script, int from, ref SqlTokenReader reader)
    {
        var end = script.IndexOf('\n', from);
        reader.MoveTo(end < 0 ? script.Length : end + 1);
    }

    private static void TrimEnd(StringBuilder text)
    {
        while (text.Length > 0 && text[^1] is ' ' or '\t')
            text.Length--;
    }

    // The first two words say whether a statement is about a role.
    private struct RoleStatement
    {
        private int _words;
        private bool _changes;

        public readonly bool IsEmpty => _words == 0;

        public bool IsAboutRole { get; private set; }

        public void See(SqlToken token)
        {
            if (token.IsSymbol(';'))
            {
                this = default;
                return;
            }
            _words++;
            if (_words == 1)
                _changes = token.IsKeyword("CREATE") || token.IsKeyword("ALTER");
            else if (_words == 2)
                IsAboutRole = _changes && (token.IsKeyword("ROLE") || token.IsKeyword("USER") || token.IsKeyword("GROUP"));
        }
    }
}
