using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Reads a tree: what the manifest names, in its order, and files it does not know.</summary>
internal sealed class TreeReader(TreePaths paths)
{
    private readonly List<string> _warnings = [];
    private readonly HashSet<string> _converted = new(StringComparer.Ordinal);

    public async Task<SchemaSnapshot> ReadAsync(CancellationToken cancellationToken)
    {
        FinishInterruptedWriter();
        var manifest = await TreeManifest.TryReadAsync(paths, cancellationToken).ConfigureAwait(false)
            ?? throw new TreeConflictException(paths.Root, $"'{paths.Root}' is no schema tree: it holds no '{TreePaths.ManifestName}'.",
                "Name the directory that the extraction wrote, with its host and database levels.");
        var entries = new Dictionary<string, SchemaEntry>(StringComparer.Ordinal);
        var added = new List<SchemaEntry>();
        foreach (var file in manifest.Entries.GroupBy(static entry => entry.File, StringComparer.Ordinal))
            await ReadFileAsync(file.Key, [.. file.OrderBy(static entry => entry.Ordinal)], entries, added, cancellationToken).ConfigureAwait(false);
        foreach (var path in NewFiles(manifest))
        {
            _warnings.Add($"'{path}' is not in the manifest; its entries come after those of the same section.");
            await ReadFileAsync(path, [], entries, added, cancellationToken).ConfigureAwait(false);
        }
        if (_converted.Count > 0)
            _warnings.Add($"{_converted.Count.ToString(CultureInfo.InvariantCulture)} files have CRLF line ends, which a checkout gave them; the manifest proves the text behind, "
                + "which is used. With git, '* -text' in .gitattributes prevents it.");
        return new SchemaSnapshot
        {
            Environment = new SchemaEnvironment(manifest.Server, manifest.PgDump, manifest.ArchiveVersion, manifest.Encoding,
                (IReadOnlyDictionary<string, string>?)manifest.Extensions ?? new Dictionary<string, string>())
            {
                Session = (IReadOnlyDictionary<string, string>?)manifest.Session ?? new Dictionary<string, string>(),
            },
            Entries = Merge([.. manifest.Entries.Where(entry => entries.ContainsKey(entry.Key)).Select(entry => entries[entry.Key])], added),
            Warnings = _warnings,
            Options = (IReadOnlyDictionary<string, string>?)manifest.Options ?? new Dictionary<string, string>(),
        };
    }

    private void FinishInterruptedWriter()
    {
        if (paths.FindStaging().Count == 0)
            return;
        using var held = paths.TryLock()
            ?? throw new TreeConflictException(paths.Root, $"An extraction is writing the tree '{paths.Root}'.", "Read it again when that has ended.");
        TreeJournal.Recover(paths);
    }

    private IEnumerable<string> NewFiles(TreeManifest manifest)
    {
        var known = manifest.Files.Concat(manifest.Stale ?? []).ToHashSet(StringComparer.Ordinal);
        return StaleScan.Run(paths, known, new HashSet<string>()).Where(static file => file.IsOurs).Select(static file => file.Path);
    }

    private async Task ReadFileAsync(string path, IReadOnlyList<ManifestEntry> expected, Dictionary<string, SchemaEntry> entries, List<SchemaEntry> added,
        CancellationToken cancellationToken)
    {
        if (expected is [{ Flags: { } flags }] && flags.Contains(ManifestWords.Data))
        {
            entries[expected[0].Key] = await ReadDataHeadAsync(expected[0], cancellationToken).ConfigureAwait(false);
            return;
        }
        var content = await ReadAllAsync(path, cancellationToken).ConfigureAwait(false);
        var waiting = expected.ToList();
        var ordinal = 0;
        foreach (var block in FileBlockReader.Read(content).Where(static block => block.Header is not null))
        {
            var text = Encoding.UTF8.GetString(content, (int)block.Offset, (int)block.Length).TrimEnd('\n');
            var match = waiting.FindIndex(entry => Matches(entry, block.Header!));
            if (match >= 0)
            {
                var entry = Entry(waiting[match], text);
                if (entry.IsEdited && text.Contains('\r', StringComparison.Ordinal)
                    && Entry(waiting[match], text.Replace("\r\n", "\n", StringComparison.Ordinal).TrimEnd('\r', '\n')) is { IsEdited: false } original)
                {
                    // The manifest's hash proves what the text was before the conversion.
                    entry = original;
                    _converted.Add(path);
                }
                entries[entry.Key] = entry;
                waiting.RemoveAt(match);
            }
            else
            {
                added.Add(Unknown(block.Header!, path, ordinal, text));
                if (expected.Count > 0)
                    _warnings.Add($"'{path}' holds '{block.Header!.Type} {block.Header.Name}', which is not in the manifest.");
            }
            ordinal++;
        }
        foreach (var missing in waiting)
            _warnings.Add($"'{missing.Key}' is no longer in '{path}'.");
    }

    private async Task<byte[]> ReadAllAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllBytesAsync(paths.Full(path), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TreeConflictException(path, $"The manifest names '{path}', but the file is missing.",
                "Restore it from version control, or extract again.", error);
        }
    }

    private async Task<SchemaEntry> ReadDataHeadAsync(ManifestEntry entry, CancellationToken cancellationToken)
    {
        var full = paths.Full(entry.File);
        if (!File.Exists(full))
            await ReadAllAsync(entry.File, cancellationToken).ConfigureAwait(false);
        using var reader = new StreamReader(full, Encoding.UTF8);
        var head = new StringBuilder();
        while (await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line && head.Length < 64 * 1024)
        {
            head.Append(line).Append('\n');
            if (line.StartsWith("COPY ", StringComparison.Ordinal) || line.StartsWith("INSERT ", StringComparison.Ordinal) || line == "BEGIN;")
                break;
        }
        // Rows are not read for a comparison; the hash is that of the manifest.
        return Entry(entry, head.ToString().TrimEnd('\n')) with { Sha256 = entry.Sha256, IsEdited = false };
    }

    private static bool Matches(ManifestEntry entry, BlockHeader header) =>
        entry.Desc == header.Type && OneLine(entry.Tag) == header.Name && OneLine(entry.Namespace) == (header.Namespace ?? "");

    private static string OneLine(string? name) => (name ?? "").Replace('\n', ' ').Replace('\r', ' ');

    private static SchemaEntry Entry(ManifestEntry entry, string text)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
        return new SchemaEntry
        {
            SchemaObject = new SchemaObjectId(entry.ObjectKind, entry.ObjectSchema, entry.ObjectName),
            Key = entry.Key,
            Desc = entry.Desc,
            Namespace = entry.Namespace,
            Tag = entry.Tag,
            Owner = entry.Owner,
            Pass = ManifestWords.Pass(entry.Pass),
            Section = ManifestWords.Section(entry.Section),
            File = entry.File,
            Ordinal = entry.Ordinal,
            Sql = text,
            Sha256 = hash,
            Dependencies = entry.Dependencies ?? [],
            IsRedacted = entry.Flags?.Contains(ManifestWords.Redacted) == true,
            HasData = entry.Flags?.Contains(ManifestWords.Data) == true,
            IsEdited = hash != entry.Sha256,
        };
    }

    private static SchemaEntry Unknown(BlockHeader header, string path, int ordinal, string text) => new()
    {
        SchemaObject = new SchemaObjectId(header.Type, header.Namespace, header.Name),
        Key = $"{header.Type} {(header.Namespace is null ? "" : header.Namespace + ".")}{header.Name} in {path}:{ordinal.ToString(CultureInfo.InvariantCulture)}",
        Desc = header.Type,
        Namespace = header.Namespace,
        Tag = header.Name,
        Owner = header.Owner,
        Pass = header.Type is "ACL" or "DEFAULT ACL" ? TocPass.Acl : header.Type is "EVENT TRIGGER" or "MATERIALIZED VIEW DATA" ? TocPass.PostAcl : TocPass.Main,
        Section = SectionOf(header.Type),
        File = path,
        Ordinal = ordinal,
        Sql = text,
        Sha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text))),
        IsEdited = true,
    };

    private static TocSection SectionOf(string desc) => desc switch
    {
        "CONSTRAINT" or "FK CONSTRAINT" or "CHECK CONSTRAINT" or "INDEX" or "INDEX ATTACH" or "STATISTICS" or "TRIGGER" or "RULE" or "POLICY"
            or "ROW SECURITY" or "PUBLICATION" or "PUBLICATION TABLE" or "SUBSCRIPTION" or "EVENT TRIGGER" => TocSection.PostData,
        "TABLE DATA" or "SEQUENCE SET" or "BLOBS" or "BLOB" => TocSection.Data,
        _ => TocSection.PreData,
    };

    // A new entry goes behind the last one of its pass and section, first behind those of its own folder's kind.
    private static List<SchemaEntry> Merge(List<SchemaEntry> known, List<SchemaEntry> added)
    {
        foreach (var entry in added)
        {
            var at = known.FindLastIndex(other => Rank(other) < Rank(entry) || (Rank(other) == Rank(entry) && other.Desc == entry.Desc));
            if (at < 0 || !known.Exists(other => other.Desc == entry.Desc))
                at = known.FindLastIndex(other => Rank(other) <= Rank(entry));
            known.Insert(at + 1, entry);
        }
        return known;
    }

    private static int Rank(SchemaEntry entry) => ((int)entry.Pass * 10) + (entry.Section == TocSection.None ? (int)TocSection.PostData : (int)entry.Section);
}
