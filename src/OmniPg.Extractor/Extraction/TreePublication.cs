using System.Collections.Concurrent;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Collects the files of a new tree, stages those that differ from the old one, and publishes all at once.</summary>
internal sealed class TreePublication
{
    private readonly TreeTransaction _tree;
    private readonly ExtractionOptions _options;
    private readonly IProgress<ExtractionProgress>? _progress;
    private readonly TreeManifest? _previous;
    private readonly HashSet<string> _earlier;
    private readonly ConcurrentDictionary<string, FileStatus> _files = new(StringComparer.Ordinal);
    private readonly ProgressGate _gate;
    private readonly List<string> _attached = [];
    private IReadOnlyList<SchemaEntry> _entries = [];

    private TreePublication(TreeTransaction tree, ExtractionOptions options, TimeProvider time, IProgress<ExtractionProgress>? progress, TreeManifest? previous)
    {
        _tree = tree;
        _options = options;
        _progress = progress;
        _previous = previous;
        _earlier = [.. previous?.Files ?? [], .. previous?.Stale ?? []];
        _gate = new ProgressGate(time);
    }

    public IReadOnlyList<TreeFile> Files { get; private set; } = [];

    public IReadOnlyList<string> ManagedPaths { get; private set; } = [];

    public static async Task<TreePublication> CreateAsync(
        TreeTransaction tree, ExtractionOptions options, TimeProvider time, IProgress<ExtractionProgress>? progress, CancellationToken cancellationToken) =>
        new(tree, options, time, progress, await TreeManifest.TryReadAsync(tree.Paths, cancellationToken).ConfigureAwait(false));

    public async Task AddAsync(IOpenArchive open, SchemaPlan plan, ReferenceRows? reference, CancellationToken cancellationToken)
    {
        var texts = new EntryText(open.Archive);
        var rows = await AddDataAsync(open.Archive, plan, texts, cancellationToken).ConfigureAwait(false);
        if (reference is not null)
            await AddReferenceAsync(reference, plan, texts, rows, cancellationToken).ConfigureAwait(false);
        _entries = new ManifestBuilder(plan.Entries).Describe(planned =>
            (texts.Of(planned), rows.TryGetValue(planned, out var hash) ? hash : EntryText.Hash(texts.Of(planned))));
        var content = new FileText(open.Archive, _options);
        var files = plan.Entries.Where(static entry => !entry.HasData).Select(static entry => (entry.File, Entry: entry))
            .Concat(plan.Copies.Select(static copy => (copy.File, Entry: copy.Original)))
            .GroupBy(static item => item.File, static item => item.Entry, StringComparer.Ordinal)
            .ToList();
        var copies = plan.Copies.Select(static copy => copy.File).ToHashSet(StringComparer.Ordinal);
        _attached.AddRange(copies);
        var done = 0;
        Parallel.ForEach(files, new ParallelOptions { MaxDegreeOfParallelism = _options.MaxDegreeOfParallelism, CancellationToken = cancellationToken }, file =>
        {
            Add(file.Key, content.Build(file.Select(entry => (entry.Entry, texts.Of(entry)))));
            Report(ExtractionPhase.Writing, Interlocked.Increment(ref done), files.Count, file.Key);
        });
    }

    /// <summary>Adds a file that holds no entries.</summary>
    public void AddAttached(string name, string text)
    {
        Add(name, Encoding.UTF8.GetBytes(text));
        _attached.Add(name);
    }

    public void AddRoles(string script)
    {
        foreach (var (name, content) in RoleScript.Files(script, _options))
        {
            Add(name, content);
            _attached.Add(name);
        }
    }

    public async Task PublishAsync(SchemaEnvironment environment, CancellationToken cancellationToken)
    {
        _progress?.Report(new ExtractionProgress(ExtractionPhase.Publishing, 0, 0, null));
        var current = _files.Keys.ToHashSet(StringComparer.Ordinal);
        var doomed = new List<string>();
        foreach (var (path, isOurs) in StaleScan.Run(_tree.Paths, current, _earlier))
        {
            var delete = _options.StaleFiles == StaleFiles.DeleteAllSql || (isOurs && _options.StaleFiles == StaleFiles.Delete);
            _files[path] = delete ? FileStatus.Deleted : isOurs ? FileStatus.Stale : FileStatus.Unmanaged;
            if (delete)
                doomed.Add(path);
        }
        var manifest = Manifest(environment).ToBytes();
        var changed = _files.Where(static f => f.Value is FileStatus.Created or FileStatus.Updated).Select(static f => f.Key)
            .Order(StringComparer.Ordinal).ToList();
        if (changed.Count > 0 || doomed.Count > 0 || !_tree.Holds(TreePaths.ManifestName, manifest))
        {
            _tree.Stage(TreePaths.ManifestName, manifest);
            await _tree.CommitAsync([.. changed, TreePaths.ManifestName], doomed, cancellationToken).ConfigureAwait(false);
        }
        Files = [.. _files.Select(static f => new TreeFile(f.Key, f.Value)).OrderBy(static f => f.Path, StringComparer.Ordinal)];
        ManagedPaths = [.. _earlier.Union(current).Append(TreePaths.ManifestName).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
    }

    private async Task<Dictionary<PlannedEntry, string>> AddDataAsync(PgArchive archive, SchemaPlan plan, EntryText texts, CancellationToken cancellationToken)
    {
        var hashes = new Dictionary<PlannedEntry, string>(ReferenceEqualityComparer.Instance);
        if (_options.Data is null || !plan.Entries.Any(static entry => entry.HasData))
            return hashes;
        var done = 0;
        var data = new DataFiles(archive, plan.Entries, texts);
        var written = await data.WriteAsync(_tree.Staging, item => Report(ExtractionPhase.Data, ++done, 0, item), cancellationToken).ConfigureAwait(false);
        foreach (var (planned, (path, hash)) in written)
        {
            hashes[planned] = hash;
            AddFile(planned.File, path);
        }
        return hashes;
    }

    private async Task AddReferenceAsync(
        ReferenceRows reference, SchemaPlan plan, EntryText texts, Dictionary<PlannedEntry, string> hashes, CancellationToken cancellationToken)
    {
        var entries = plan.Entries.Where(reference.Contains).ToList();
        for (var i = 0; i < entries.Count; i++)
        {
            var planned = entries[i];
            Report(ExtractionPhase.Data, i, entries.Count, planned.Key);
            var path = Path.Combine(_tree.Staging, $"data-{planned.Entry.DumpId}");
            await reference.WriteAsync(planned, texts.Of(planned), path, cancellationToken).ConfigureAwait(false);
            hashes[planned] = await DataFiles.HashAsync(path, cancellationToken).ConfigureAwait(false);
            AddFile(planned.File, path);
        }
    }

    private void AddFile(string path, string staged)
    {
        _files[path] = StatusOf(path, _tree.Holds(path, staged));
        if (_files[path] == FileStatus.Unchanged)
            File.Delete(staged);
        else
            _tree.StageFile(path, staged);
    }

    private void Add(string path, byte[] content)
    {
        var status = StatusOf(path, _tree.Holds(path, content));
        _files[path] = status;
        if (status != FileStatus.Unchanged)
            _tree.Stage(path, content);
    }

    private FileStatus StatusOf(string path, bool isEqual)
    {
        if (isEqual)
            return FileStatus.Unchanged;
        if (!_tree.Exists(path))
            return FileStatus.Created;
        if (!_earlier.Contains(path) && !_options.OverwriteUnmanaged && !StaleScan.CarriesMarker(_tree.Paths.Full(path)))
            throw new TreeConflictException(path, $"'{path}' stands where the extraction must write, but no extraction wrote it.",
                "Move it away, or allow the extraction to overwrite unmanaged files.");
        return FileStatus.Updated;
    }

    private TreeManifest Manifest(SchemaEnvironment environment)
    {
        var stale = _files.Where(static f => f.Value == FileStatus.Stale).Select(static f => f.Key).Order(StringComparer.Ordinal).ToArray();
        return new TreeManifest
        {
            Format = TreeManifest.CurrentFormat,
            ArchiveVersion = environment.ArchiveVersion,
            AttachedFiles = _attached.Count == 0 ? null : [.. _attached.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            Encoding = environment.Encoding,
            Extensions = environment.Extensions.Count == 0 ? null : new SortedDictionary<string, string>(environment.Extensions.ToDictionary(), StringComparer.Ordinal),
            Options = OptionText.Write(_options) is { Count: > 0 } options ? options : null,
            PgDump = environment.PgDump,
            Server = environment.Server,
            Session = environment.Session.Count == 0 ? null : new SortedDictionary<string, string>(environment.Session.ToDictionary(), StringComparer.Ordinal),
            Stale = stale.Length == 0 ? null : stale,
            Entries = [.. _entries.Select(ManifestBuilder.ToManifest)],
        };
    }

    private void Report(ExtractionPhase phase, int done, int total, string item)
    {
        if (_progress is not null && (done == total || _gate.Opens()))
            _progress.Report(new ExtractionProgress(phase, done, total, item));
    }

    /// <summary>Lets about ten reports a second through.</summary>
    private sealed class ProgressGate(TimeProvider time)
    {
        private long _last;

        public bool Opens()
        {
            var last = Interlocked.Read(ref _last);
            return (last == 0 || time.GetElapsedTime(last) > TimeSpan.FromMilliseconds(100))
                && Interlocked.CompareExchange(ref _last, time.GetTimestamp(), last) == last;
        }
    }

    /// <summary>Puts the entries of a file together, with what the options want above them.</summary>
    private sealed class FileText(PgArchive archive, ExtractionOptions options)
    {
        private readonly string _settings = Settings(archive, options.Prologue);

        public byte[] Build(IEnumerable<(TocEntry Entry, string Text)> entries)
        {
            var list = entries as IReadOnlyList<(TocEntry Entry, string Text)> ?? [.. entries];
            var text = new StringBuilder(_settings);
            if (options.Clean)
                AppendDrops(text, list);
            foreach (var (_, sql) in list)
                text.Append(sql);
            while (text.Length > 0 && text[^1] == '\n')
                text.Length--;
            return Encoding.UTF8.GetBytes(text.Append('\n').ToString());
        }

        private void AppendDrops(StringBuilder text, IReadOnlyList<(TocEntry Entry, string Text)> entries)
        {
            var before = text.Length;
            for (var i = entries.Count - 1; i >= 0; i--)
                DropStatement.Append(text, entries[i].Entry, options.CleanIfExists);
            if (text.Length > before)
                text.Append('\n');
        }

        private static string Settings(PgArchive archive, bool prologue)
        {
            if (!prologue)
                return "";
            var text = new StringBuilder();
            // The text was rewritten, whatever the archive's session was.
            ScriptPrologue.AppendSettings(text, archive.Header, archive.Session with { StandardConformingStrings = true }, targetMajor: null);
            return text.Replace($"SET client_encoding = '{archive.Session.EncodingName}';", "SET client_encoding = 'UTF8';").ToString();
        }
    }

    /// <summary>Turns the script of <c>pg_dumpall --roles-only</c> into files that depend on nothing but the roles.</summary>
    private static class RoleScript
    {
        public static IReadOnlyList<(string Path, byte[] Content)> Files(string script, ExtractionOptions options)
        {
            var folder = PathPlanner.FolderOf("ROLE", options.Layout);
            var statements = Statements(script);
            if (!options.RoleFiles)
                return [(Join(folder, "roles"), Bytes(statements.Select(static s => s.Text)))];
            var byRole = statements.GroupBy(static s => s.Role, StringComparer.Ordinal).OrderBy(static g => g.Key, StringComparer.Ordinal).ToList();
            var names = FileNames.Resolve(byRole.Select(g => (Path: FileNames.Apply(FileNameEncoder.Encode(g.Key)), Identity: g.Key)));
            return [.. byRole.Select(g => (Join(folder, names[FileNames.Apply(FileNameEncoder.Encode(g.Key))]), Bytes(g.Select(static s => s.Text))))];
        }

        /// <summary>Statements about roles, in the order of the script, with the role each is about.</summary>
        public static IReadOnlyList<(string Role, string Text)> Statements(string script)
        {
            // Lines that psql alone understands carry a random key.
            var sql = string.Join('\n', script.Split('\n').Where(static line => !line.StartsWith('\\')));
            return [.. StatementSplitter.Split(sql)
                .Select(static statement => (Role: RoleOf(statement.Text), statement.Text))
                .Where(static s => s.Role is not null)
                .Select(static s => (s.Role!, s.Text + ";"))];
        }

        // CREATE ROLE r, ALTER ROLE r …, COMMENT ON ROLE r, SECURITY LABEL … ON ROLE r, GRANT r TO m, GRANT … ON PARAMETER … TO r.
        private static string? RoleOf(string statement)
        {
            var reader = new SqlTokenReader(statement);
            var first = reader.Next();
            if (first.IsKeyword("GRANT") || first.IsKeyword("REVOKE"))
                return reader.SkipTo(first.IsKeyword("GRANT") ? "TO" : "FROM") ? reader.ReadName()?.Name : null;
            if (first.IsKeyword("SET") || !reader.SkipTo("ROLE"))
                return null;
            return reader.ReadName()?.Name;
        }

        private static string Join(string folder, string name) => (folder.Length == 0 ? name : $"{folder}/{name}") + PathPlanner.Extension;

        private static byte[] Bytes(IEnumerable<string> statements) => Encoding.UTF8.GetBytes(string.Join('\n', statements) + "\n");
    }
}
