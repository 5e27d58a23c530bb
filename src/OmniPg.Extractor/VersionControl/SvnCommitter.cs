using System.Globalization;
using System.Xml;

namespace OmniPg.Extractor;

/// <summary>Commits a tree with Subversion: adds, deletes and commits exactly the managed files. Stands for <c>--svn</c> and <c>--svndel</c>.</summary>
/// <remarks>Thread-safe. Credentials come from svn's own store; none is ever an argument.</remarks>
/// <param name="options">Program and configuration; null for the defaults.</param>
/// <param name="launcher">Starts svn; null for child processes of this one.</param>
/// <param name="timeProvider">Clock for messages; null for the system's.</param>
public sealed class SvnCommitter(SvnOptions? options = null, IProcessLauncher? launcher = null, TimeProvider? timeProvider = null) : IVersionControl
{
    private static readonly Dictionary<string, string?> Environment = new() { ["LC_ALL"] = "C.UTF-8", ["LC_MESSAGES"] = "C" };
    private readonly SvnOptions _options = OptionsCheck.Require(options ?? new SvnOptions());
    private readonly IProcessLauncher _launcher = launcher ?? ExternalProcess.Launcher;
    private readonly TimeProvider _time = timeProvider ?? TimeProvider.System;

    /// <inheritdoc/>
    public async Task<VersionControlCommit?> CommitAsync(ExtractionResult report, string message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentException.ThrowIfNullOrEmpty(message);
        var svn = new ToolRunner(_launcher, _options.Program, report.Directory, Environment);
        var managed = report.ManagedPaths.ToHashSet(StringComparer.Ordinal);
        var status = await StatusAsync(svn, cancellationToken).ConfigureAwait(false);
        var fresh = Fresh(status, managed, report.Directory);
        var gone = status.Where(item => item.State == "missing" && managed.Contains(item.Path)).Select(static item => item.Path).ToList();
        await RunWithAsync(svn, ["add", "--parents", "--force", "--depth=empty"], fresh, cancellationToken).ConfigureAwait(false);
        await RunWithAsync(svn, ["delete"], gone, cancellationToken).ConfigureAwait(false);

        status = await StatusAsync(svn, cancellationToken).ConfigureAwait(false);
        var changed = status.Where(item => item.State is "added" or "modified" or "deleted" or "replaced" && managed.Contains(item.Path))
            .Select(static item => item.Path).Order(StringComparer.Ordinal).ToList();
        if (changed.Count == 0)
            return null;
        // A new file can be committed only together with the new folders above it.
        var folders = status.Where(item => item.State == "added" && changed.Exists(path => item.Path == "." || path.StartsWith(item.Path + "/", StringComparison.Ordinal)))
            .Select(static item => item.Path);
        using var text = new PathList([string.Format(CultureInfo.InvariantCulture, message, _time.GetUtcNow().UtcDateTime)], '\n');
        var output = await RunWithAsync(svn, ["commit", "--depth=empty", "--encoding=UTF-8", "-F", text.Path], [.. folders, .. changed], cancellationToken)
            .ConfigureAwait(false);
        return new VersionControlCommit(RevisionOf(output), changed);
    }

    // An unversioned folder is listed alone, without what is in it.
    private static List<string> Fresh(IReadOnlyList<SvnItem> status, HashSet<string> managed, string directory)
    {
        var unversioned = status.Where(static item => item.State is "unversioned" or "ignored").Select(static item => item.Path).ToList();
        return [.. managed.Where(path => File.Exists(Path.Combine(directory, path))
                && unversioned.Exists(item => item is "." || item == path || path.StartsWith(item + "/", StringComparison.Ordinal)))
            .Order(StringComparer.Ordinal)];
    }

    private async Task<List<SvnItem>> StatusAsync(ToolRunner svn, CancellationToken cancellationToken) =>
        SvnItem.ParseStatus(await svn.RunAsync([.. Common(), "status", "--xml", "--no-ignore", "."], cancellationToken: cancellationToken).ConfigureAwait(false));

    private async Task<string> RunWithAsync(ToolRunner svn, IReadOnlyList<string> command, List<string> paths, CancellationToken cancellationToken)
    {
        if (paths.Count == 0)
            return "";
        using var targets = new PathList(paths, '\n');
        return await svn.RunAsync([.. Common(), .. command, "--targets", targets.Path], cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    private IEnumerable<string> Common() =>
        _options.ConfigDirectory is null ? ["--non-interactive"] : ["--non-interactive", $"--config-dir={_options.ConfigDirectory}"];

    private static string RevisionOf(string output)
    {
        var start = output.LastIndexOf("Committed revision ", StringComparison.Ordinal);
        return start < 0 ? "" : output[(start + 19)..].TrimEnd('\n', '.');
    }

    /// <summary>One line of <c>svn status --xml</c>.</summary>
    private sealed record SvnItem(string Path, string State)
    {
        public static List<SvnItem> ParseStatus(string xml)
        {
            var items = new List<SvnItem>();
            using var reader = XmlReader.Create(new StringReader(xml), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit });
            string? path = null;
            while (reader.Read())
            {
                if (reader.NodeType != XmlNodeType.Element)
                    continue;
                if (reader.Name == "entry")
                    path = reader.GetAttribute("path")?.Replace('\\', '/');
                else if (reader.Name == "wc-status" && path is not null && reader.GetAttribute("item") is { } state)
                    items.Add(new SvnItem(path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path, state));
            }
            return items;
        }
    }
}

/// <summary>How Subversion is used.</summary>
public sealed class SvnOptions : ICheckedOptions
{
    /// <summary>Name or path of the program (<c>--svncmd</c>). Default <c>svn</c>.</summary>
    public string Program { get; set; } = "svn";

    /// <summary>Configuration directory with stored credentials (<c>--config-dir</c>). Default: that of the user.</summary>
    public string? ConfigDirectory { get; set; }

    void ICheckedOptions.Check(OptionsCheck check) => check.NotEmpty(Program);
}
