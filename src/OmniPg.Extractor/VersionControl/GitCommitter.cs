using System.Globalization;

namespace OmniPg.Extractor;

/// <summary>Commits a tree with git: exactly the managed files, whatever else is changed or staged. Stands for <c>--git</c> and <c>--gitpush</c>.</summary>
/// <remarks>
/// Thread-safe. A tree without <c>.gitattributes</c> gets one with <c>* -text</c>, unless the repository says so already: no checkout converts its line ends. Author and signing follow the configuration of git; credentials stay with git.
/// </remarks>
/// <param name="options">Program and push; null for the defaults.</param>
/// <param name="launcher">Starts git; null for child processes of this one.</param>
/// <param name="timeProvider">Clock for messages; null for the system's.</param>
public sealed class GitCommitter(GitOptions? options = null, IProcessLauncher? launcher = null, TimeProvider? timeProvider = null) : IVersionControl
{
    private static readonly Dictionary<string, string?> Environment = new()
    {
        ["LC_ALL"] = "C",
        ["GIT_TERMINAL_PROMPT"] = "0",
        ["GIT_LITERAL_PATHSPECS"] = "1",
        // Set by git inside hooks; it would aim at another repository.
        ["GIT_DIR"] = null,
        ["GIT_INDEX_FILE"] = null,
        ["GIT_WORK_TREE"] = null,
    };

    private const string Attributes = ".gitattributes";
    private readonly GitOptions _options = OptionsCheck.Require(options ?? new GitOptions());
    private readonly IProcessLauncher _launcher = launcher ?? ExternalProcess.Launcher;
    private readonly TimeProvider _time = timeProvider ?? TimeProvider.System;

    /// <inheritdoc/>
    public async Task<VersionControlCommit?> CommitAsync(ExtractionResult report, string message, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentException.ThrowIfNullOrEmpty(message);
        var git = new ToolRunner(_launcher, _options.Program, report.Directory, Environment);
        var prefix = (await git.RunAsync(["rev-parse", "--show-prefix"], cancellationToken: cancellationToken).ConfigureAwait(false)).TrimEnd('\n');
        await ProtectLineEndsAsync(git, report.Directory, cancellationToken).ConfigureAwait(false);
        var changed = await ChangedAsync(git, report, prefix, cancellationToken).ConfigureAwait(false);
        if (changed.Count == 0)
            return null;
        using var list = new PathList(changed, '\0');
        string[] paths = [$"--pathspec-from-file={list.Path}", "--pathspec-file-nul"];
        await git.RunAsync(["add", "--all", "--force", .. paths], cancellationToken: cancellationToken).ConfigureAwait(false);
        var text = string.Format(CultureInfo.InvariantCulture, message, _time.GetUtcNow().UtcDateTime);
        // Only these paths, even when the index holds others.
        await git.RunAsync(["commit", "--quiet", "--only", "--file=-", .. paths], text, cancellationToken).ConfigureAwait(false);
        var id = await git.RunAsync(["rev-parse", "HEAD"], cancellationToken: cancellationToken).ConfigureAwait(false);
        if (_options.Push)
            await git.RunAsync(["push", "--quiet"], cancellationToken: cancellationToken).ConfigureAwait(false);
        return new VersionControlCommit(id.Trim(), changed);
    }

    // A tree is exact to the byte: conversion of line ends (core.autocrlf) would change bodies, names and comments. Nothing is written where the
    // repository forbids it already.
    private static async Task ProtectLineEndsAsync(ToolRunner git, string directory, CancellationToken cancellationToken)
    {
        var path = Path.Combine(directory, Attributes);
        if (File.Exists(path))
            return;
        var attribute = await git.RunAsync(["check-attr", "text", "--", TreePaths.ManifestName], cancellationToken: cancellationToken).ConfigureAwait(false);
        if (!attribute.TrimEnd().EndsWith(": text: unset", StringComparison.Ordinal))
            await File.WriteAllTextAsync(path, "* -text\n", cancellationToken).ConfigureAwait(false);
    }

    // Status paths are relative to the repository's root; "-- ." keeps them below the tree.
    private static async Task<List<string>> ChangedAsync(ToolRunner git, ExtractionResult report, string prefix, CancellationToken cancellationToken)
    {
        var status = await git.RunAsync(
            ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignored=matching", "--no-renames", "--", "."], cancellationToken: cancellationToken).ConfigureAwait(false);
        var managed = report.ManagedPaths.ToHashSet(StringComparer.Ordinal);
        return [.. status.Split('\0', StringSplitOptions.RemoveEmptyEntries)
            .Where(static line => line.Length > 3)
            .Select(line => line[3..])
            .Where(path => path.StartsWith(prefix, StringComparison.Ordinal))
            .Select(path => path[prefix.Length..])
            .Where(path => managed.Contains(path) || path == Attributes)
            .Order(StringComparer.Ordinal)];
    }
}

/// <summary>How git is used.</summary>
public sealed class GitOptions : ICheckedOptions
{
    /// <summary>Name or path of the program (<c>--gitcmd</c>). Default <c>git</c>.</summary>
    public string Program { get; set; } = "git";

    /// <summary>Whether the commit is pushed to the branch's upstream (<c>--gitpush</c>). Default false.</summary>
    public bool Push { get; set; }

    void ICheckedOptions.Check(OptionsCheck check) => check.NotEmpty(Program);
}
