using System.Buffers;
using System.Text;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Loads the rows of one data file: COPY text is passed through, INSERT statements and large objects are run one by one.</summary>
internal sealed class DataReplay(NpgsqlConnection connection, string? directory, SchemaEntry entry, bool inTransaction, bool isRaw)
{
    private const int BufferChars = 64 * 1024;

    /// <returns>Number of statements.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        if (directory is null)
            throw new InvalidOperationException("Rows can be replayed from a tree only.");
        using var reader = new StreamReader(Path.Combine(directory, entry.File), new UTF8Encoding(false), false, BufferChars);
        var scanner = new SqlScanner();
        var statement = new StringBuilder();
        var (line, startLine, count) = (0, 1, 0);
        while (ReadLine(reader) is { } text)
        {
            cancellationToken.ThrowIfCancellationRequested();
            line++;
            if (line == 1 && text.EndsWith('\r'))
                throw new TreeConflictException(entry.File, $"'{entry.File}' has CRLF line ends, which a checkout gave it: its rows are no longer those that were extracted.",
                    "With git, put '* -text' into .gitattributes and check the tree out again.");
            if (statement.Length == 0 && (text.Length == 0 || text.StartsWith("--", StringComparison.Ordinal)))
                continue;
            if (statement.Length == 0)
                startLine = line;
            if (statement.Length == 0 && text.StartsWith("COPY ", StringComparison.Ordinal) && text.EndsWith(" FROM stdin;", StringComparison.Ordinal))
            {
                line += await CopyAsync(text[..^1], reader, line, cancellationToken).ConfigureAwait(false);
                count++;
                continue;
            }
            statement.Append(text).Append('\n');
            if (!Ends(scanner, text))
                continue;
            await ExecuteAsync(statement.ToString().TrimEnd('\n', ';'), startLine, cancellationToken).ConfigureAwait(false);
            statement.Clear();
            count++;
        }
        return count;
    }

    // Only LF ends a line: a carriage return inside an INSERT's literal is data, and StreamReader.ReadLine would take it for a line end.
    private static string? ReadLine(StreamReader reader)
    {
        var line = new StringBuilder();
        while (reader.Read() is var c && c >= 0)
        {
            if (c == '\n')
                return line.ToString();
            line.Append((char)c);
        }
        return line.Length == 0 ? null : line.ToString();
    }

    // pg_dump ends each INSERT and each call of a large-object function at a line end.
    private static bool Ends(SqlScanner scanner, string text)
    {
        foreach (var c in text)
            scanner.Push(c);
        scanner.Push('\n');
        return scanner.InCode && text.EndsWith(';');
    }

    private async Task<int> CopyAsync(string statement, StreamReader reader, int line, CancellationToken cancellationToken)
    {
        try
        {
            var import = await connection.BeginTextImportAsync(statement, cancellationToken).ConfigureAwait(false);
            await using (import.ConfigureAwait(false))
            {
                if (!isRaw)
                    return await CopyRows.RunAsync(reader, import, cancellationToken).ConfigureAwait(false);
                // The import's own writer gives UTF-8 whatever the connection's encoding is.
                var bytes = new StreamWriter(import.BaseStream, Encoding.Latin1, BufferChars, leaveOpen: true);
                await using (bytes.ConfigureAwait(false))
                    return await CopyRows.RunAsync(reader, bytes, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (PostgresException error)
        {
            throw new ReplayException(entry, line, error);
        }
    }

    private async Task ExecuteAsync(string sql, int line, CancellationToken cancellationToken)
    {
        // Large objects come in a transaction of their own; within a single one theirs is the outer one.
        var isTransactionEnd = sql is "BEGIN" or "COMMIT";
        if (isTransactionEnd && inTransaction)
            return;
        try
        {
            await PlainStatements.ExecuteAsync(connection, [sql], 0, cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException error)
        {
            throw new ReplayException(entry, line, error);
        }
    }

    /// <summary>Passes COPY rows on up to the line <c>\.</c>, in pieces: a row may be larger than any string.</summary>
    private static class CopyRows
    {
        private const int BufferChars = 64 * 1024;
        private const string End = "\\.\n";

        /// <returns>Number of lines read, the last one included.</returns>
        public static async Task<int> RunAsync(TextReader reader, TextWriter target, CancellationToken cancellationToken)
        {
            var buffer = ArrayPool<char>.Shared.Rent(BufferChars);
            try
            {
                var (filled, lines, lineStart) = (0, 0, true);
                while (true)
                {
                    var read = await reader.ReadAsync(buffer.AsMemory(filled), cancellationToken).ConfigureAwait(false);
                    filled += read;
                    var (rows, ended) = Scan(buffer.AsSpan(0, filled), read == 0, ref lineStart, ref lines);
                    await target.WriteAsync(buffer.AsMemory(0, rows), cancellationToken).ConfigureAwait(false);
                    if (ended || read == 0)
                        return lines;
                    buffer.AsSpan(rows, filled - rows).CopyTo(buffer);
                    filled -= rows;
                }
            }
            finally
            {
                ArrayPool<char>.Shared.Return(buffer);
            }
        }

        // How many characters are rows for certain. At a line start fewer than three characters may be the beginning of the end.
        private static (int Rows, bool Ended) Scan(ReadOnlySpan<char> text, bool isLast, ref bool lineStart, ref int lines)
        {
            var at = 0;
            while (at < text.Length)
            {
                var rest = text[at..];
                if (lineStart && rest.StartsWith(End, StringComparison.Ordinal))
                {
                    lines++;
                    return (at, true);
                }
                if (lineStart && rest.Length < End.Length && End.AsSpan().StartsWith(rest, StringComparison.Ordinal))
                    return (at, isLast);
                var newLine = rest.IndexOf('\n');
                if (newLine < 0)
                {
                    lineStart = false;
                    return (text.Length, false);
                }
                lines++;
                lineStart = true;
                at += newLine + 1;
            }
            return (at, false);
        }
    }
}
