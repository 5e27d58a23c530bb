using System.Globalization;
using System.IO.Enumeration;
using System.Text;

namespace OmniPg.Wal.Cli;

/// <summary>Reads what was added to the logs of OmniPITR's tools, and ours in its format, since the last time.</summary>
internal sealed class OmniPitrLogs(LogState state)
{
    // 'YYYY-MM-DD HH:MM:SS.ffffff ±ZZZZ'
    private const int StampLength = 32;
    private const string StampFormat = "yyyy-MM-dd HH:mm:ss.ffffff zzz";
    private const string Separator = " : ";
    private const string Called = "LOG : Called with parameters: ";

    /// <summary>Reads all files that the templates name.</summary>
    /// <returns>Whether there is one at all.</returns>
    /// <exception cref="WalConfigurationException">A line is none of such a log. What came before it is not kept either.</exception>
    public bool Read(IEnumerable<string> templates)
    {
        var isThere = false;
        var found = new Dictionary<string, (DateTimeOffset Start, string First)>(StringComparer.Ordinal);
        foreach (var template in templates.Select(t => new StrftimeTemplate(Path.GetFullPath(t))))
        {
            // A template of the day matches the names of other logs, too: the name must be the one that the first line makes.
            foreach (var path in Matching(template.Text))
            {
                isThere = true;
                if (FirstStamp(path) is not { } first)
                    continue;
                if (TryStamp(first, out var start) ? template.Format(start, TimeZoneInfo.Local) == path : template.Text == path)
                    found[path] = (start, first);
            }
        }

        // A call for another check may name other logs; theirs are not read again for that.
        foreach (var gone in state.Files.Keys.Where(p => !File.Exists(p)).ToList())
            state.Files.Remove(gone);
        foreach (var (path, file) in found.OrderBy(f => f.Value.Start))
            ReadFile(path, file.First);
        return isThere;
    }

    private void ReadFile(string path, string first)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        // A rotated log has another first line, one that was emptied in place is shorter.
        var offset = state.Files.GetValueOrDefault(path) is { } known && known.First == first && known.Offset <= stream.Length ? known.Offset : 0;
        stream.Position = offset;
        var line = new List<byte>();
        for (int value; (value = stream.ReadByte()) >= 0;)
        {
            if (value != '\n')
            {
                line.Add((byte)value);
                continue;
            }

            Take(Encoding.UTF8.GetString([.. line]).TrimEnd('\r'), path, offset);
            offset = stream.Position;
            line.Clear();
        }

        // The last line may be half written: it is read the next time.
        state.Files[path] = new LogState.Position(first, offset);
    }

    private void Take(string line, string path, long offset)
    {
        var parts = line.Length > StampLength && TryStamp(line[..StampLength], out _) ? line[StampLength..].Split(Separator, 4) : [];
        if (parts is not ["", var pid, var program, var rest] || pid.Length == 0 || !pid.All(char.IsAsciiDigit))
            throw new WalConfigurationException($"The log '{path}' has a line at offset '{offset}' that is none of OmniPITR's: '{OneLine.Of(line)}'.", "Name logs of OmniPITR and of 'omnipg-wal --log' alone.");
        TryStamp(line[..StampLength], out var at);
        if (rest.StartsWith("ERROR : ", StringComparison.Ordinal) || rest.StartsWith("FATAL : ", StringComparison.Ordinal))
            state.Errors.Add(new LogState.Error(++state.ErrorsRead, at, $"{line.AsSpan(0, StampLength - " +0000".Length)} : {pid} : {rest}"));
        rest = rest.TrimEnd();
        switch (program)
        {
            case "omnipitr-archive":
                Segment(state.Archived, at, SegmentBehind(rest, Called, ["pg_wal/", "pg_xlog/"]), rest.EndsWith(" successfully sent to all destinations.", StringComparison.Ordinal) ? SegmentBehind(rest.Split(" successfully")[0], "LOG : Segment ", ["/"]) : null);
                break;
            case "omnipitr-restore":
                Restore(at, pid, rest);
                break;
            case "omnipitr-backup-master" or "omnipitr-backup-slave" when rest.StartsWith(Called, StringComparison.Ordinal):
                state.Backups.Add(new LogState.Backup(program, pid, at, null));
                break;
            case "omnipitr-backup-master" or "omnipitr-backup-slave" when rest == "LOG : All done.":
                // Without --verbose only the end is there.
                var begun = state.Backups.FindLastIndex(b => b.ProgramName == program && b.Pid == pid && b.Ended is null);
                if (begun < 0)
                    state.Backups.Add(new LogState.Backup(program, pid, at, at));
                else
                    state.Backups[begun] = state.Backups[begun] with { Ended = at };
                break;
            default:
                break;
        }
    }

    // One segment after another: what the server asked for before is over, restored or not, when it asks for one of another place in the WAL (of one place, it tries the timelines in turn). What a call says
    // that it ended without is over with the call, which may have been the last of a recovery.
    private void Restore(DateTimeOffset at, string pid, string rest)
    {
        var isCall = rest.EndsWith(" pg_wal/RECOVERYXLOG", StringComparison.Ordinal) || rest.EndsWith(" pg_xlog/RECOVERYXLOG", StringComparison.Ordinal);
        var asked = isCall ? SegmentBehind(rest[..rest.LastIndexOf(' ')], Called, [" "]) : null;
        var restored = rest.EndsWith(" restored", StringComparison.Ordinal) ? SegmentBehind(rest[..^" restored".Length], "LOG : Segment", [" "]) : null;
        var isInVain = rest.StartsWith("FATAL : ", StringComparison.Ordinal) || rest.EndsWith(" is in no source.", StringComparison.Ordinal) || rest.EndsWith(" was not served.", StringComparison.Ordinal);
        if ((asked ?? restored) is { } now)
            Drop(s => WalFileName.Parse(s.Key).Position != WalFileName.Parse(now).Position);
        else if (isInVain)
            Drop(s => s.Value.Pid == pid);
        Segment(state.Restored, at, asked, restored, pid);

        void Drop(Func<KeyValuePair<string, LogState.Span>, bool> isOver)
        {
            foreach (var over in state.Restored.Where(s => s.Value.Ended is null && isOver(s)).ToList())
                state.Restored.Remove(over.Key);
        }
    }

    // The first call counts: PostgreSQL repeats what failed.
    private static void Segment(Dictionary<string, LogState.Span> spans, DateTimeOffset at, string? began, string? ended, string? pid = null)
    {
        if (began is not null)
            spans.TryAdd(began, new LogState.Span(at, null) { Pid = pid });
        if (ended is not null)
            spans[ended] = new LogState.Span(spans.GetValueOrDefault(ended)?.Began, at);
    }

    /// <returns>The segment that the text ends with, right behind one of the marks; null when it does not.</returns>
    private static string? SegmentBehind(string text, string beginning, ReadOnlySpan<string> marks)
    {
        const int Digits = 24;
        if (!text.StartsWith(beginning, StringComparison.Ordinal) || text.Length < beginning.Length + Digits || !WalFileName.TryParse(text.AsSpan(text.Length - Digits), out var name) || name.Kind != WalFileKind.Segment)
            return null;
        foreach (var mark in marks)
        {
            if (text[..^Digits].EndsWith(mark, StringComparison.Ordinal))
                return name.ToString();
        }

        return null;
    }

    private static bool TryStamp(string text, out DateTimeOffset at) => DateTimeOffset.TryParseExact(text, StampFormat, CultureInfo.InvariantCulture, DateTimeStyles.None, out at);

    private static string? FirstStamp(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var bytes = new byte[StampLength];
        return stream.ReadAtLeast(bytes, StampLength, throwOnEndOfStream: false) == StampLength ? Encoding.ASCII.GetString(bytes) : null;
    }

    /// <summary>The files that a template may have named: a marker stands for anything within a name.</summary>
    private static IEnumerable<string> Matching(string template)
    {
        IEnumerable<string> folders = ["/"];
        var parts = template.Split('/', StringSplitOptions.RemoveEmptyEntries);
        foreach (var part in parts[..^1])
        {
            var pattern = Pattern(part);
            folders = pattern is null ? folders.Select(f => Path.Combine(f, part)).Where(Directory.Exists) : folders.SelectMany(f => Directory.EnumerateDirectories(f).Where(d => FileSystemName.MatchesSimpleExpression(pattern, Path.GetFileName(d), ignoreCase: false)));
        }

        return Pattern(parts[^1]) is { } names
            ? folders.SelectMany(f => Directory.EnumerateFiles(f).Where(p => FileSystemName.MatchesSimpleExpression(names, Path.GetFileName(p), ignoreCase: false)))
            : folders.Select(f => Path.Combine(f, parts[^1])).Where(File.Exists);
    }

    /// <returns>Null for a name without a marker.</returns>
    private static string? Pattern(string part)
    {
        if (!part.Contains('^', StringComparison.Ordinal))
            return null;
        var pattern = new StringBuilder();
        for (var i = 0; i < part.Length; i++)
            pattern.Append(part[i] == '^' ? part[++i] == '^' ? "^" : "*" : part[i] is '*' or '?' or '\\' ? $"\\{part[i]}" : part[i].ToString());
        return pattern.ToString();
    }
}
