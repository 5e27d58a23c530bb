using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace OmniPg.Extractor;

/// <summary>One extraction: open, plan, and then write a tree (compare, stage, publish) or describe the schema in memory.</summary>
internal sealed class ExtractionRun(IArchiveSource source, ExtractionOptions options, TimeProvider time, ILogger logger)
{
    public async Task<ExtractionResult> ToDirectoryAsync(string directory, IProgress<ExtractionProgress>? progress, CancellationToken cancellationToken)
    {
        Check();
        foreach (var filter in options.Filter.All)
            filter.ForgetMatches();
        var started = time.GetTimestamp();
        progress?.Report(new ExtractionProgress(ExtractionPhase.Dumping, 0, 0, null));
        var open = await source.OpenAsync(options, cancellationToken).ConfigureAwait(false);
        await using (open.ConfigureAwait(false))
        {
            var dumpTime = time.GetElapsedTime(started);
            var result = await WriteAsync(open, directory, progress, cancellationToken).ConfigureAwait(false);
            result = result with { DumpTime = dumpTime, WriteTime = time.GetElapsedTime(started) - dumpTime };
            progress?.Report(new ExtractionProgress(ExtractionPhase.Done, result.Files.Count, result.Files.Count, null));
            Measure(open.Archive.Header.Database ?? "", result);
            ExtractorLog.TreeWritten(logger, result.Directory, result.Files.Count, result.Changed.Count);
            return result;
        }
    }

    /// <summary>Definitions without rows.</summary>
    public async Task<SchemaSnapshot> ToSnapshotAsync(CancellationToken cancellationToken)
    {
        Check();
        var open = await source.OpenAsync(options, cancellationToken).ConfigureAwait(false);
        await using (open.ConfigureAwait(false))
        {
            var plan = new SchemaPlanner(open.Archive, options).Plan();
            var texts = new EntryText(open.Archive);
            var entries = new ManifestBuilder(plan.Entries).Describe(planned => (texts.Of(planned), EntryText.Hash(texts.Of(planned))));
            var warnings = await CompleteAsync(open, cancellationToken).ConfigureAwait(false);
            return new SchemaSnapshot
            {
                Environment = EnvironmentOf(open, plan),
                Entries = entries,
                Warnings = [.. plan.Warnings, .. PgDumpWarning.Texts(warnings)],
                Options = OptionText.Write(options),
            };
        }
    }

    // Before anything is started, and everything at once: what the options say against each other, and what this source cannot fulfil.
    private void Check()
    {
        IReadOnlyList<string> failures = [.. OptionsCheck.FailuresOf(options), .. source.Refusals(options)];
        if (failures.Count > 0)
            throw new OptionsValidationException("", typeof(ExtractionOptions), failures);
    }

    private async Task<ExtractionResult> WriteAsync(
        IOpenArchive open, string directory, IProgress<ExtractionProgress>? progress, CancellationToken cancellationToken)
    {
        var rows = open.References is { } session ? new ReferenceRows(session, open.Archive.Entries) : null;
        var plan = new SchemaPlanner(open.Archive, options, rows?.Entries).Plan();
        if (!plan.Account.IsClosed)
            throw new InvalidOperationException($"Entries do not add up: {plan.Account}.");
        var unmatched = options.Filter.Unmatched();
        if (options.StrictNames && unmatched.Count > 0)
            throw new ExtractorOptionException("StrictNames", $"Filter items match nothing: '{string.Join("', '", unmatched)}'.");

        using var activity = ExtractorTelemetry.Source.StartActivity("extractor.write");
        using var tree = TreeTransaction.Begin(options.Layout.RootBelow(directory, open.Archive.Header.Database));
        var publication = await TreePublication.CreateAsync(tree, options, time, progress, cancellationToken).ConfigureAwait(false);
        await publication.AddAsync(open, plan, rows, cancellationToken).ConfigureAwait(false);
        if (plan.Script is not null)
            publication.AddAttached(DriverFiles.Name, plan.Script);
        var roles = options.Roles ? await open.DumpRolesAsync(options.IncludeRolePasswords, cancellationToken).ConfigureAwait(false) : null;
        if (roles is not null)
            publication.AddRoles(roles);
        var warnings = await CompleteAsync(open, cancellationToken).ConfigureAwait(false);
        var environment = EnvironmentOf(open, plan);
        await publication.PublishAsync(environment, cancellationToken).ConfigureAwait(false);
        return new ExtractionResult
        {
            Directory = tree.Paths.Root,
            Files = publication.Files,
            ManagedPaths = publication.ManagedPaths,
            Account = plan.Account,
            Environment = environment,
            Warnings = [.. plan.Warnings, .. PgDumpWarning.Texts(warnings)],
            DumpWarnings = warnings,
            UnmatchedFilters = unmatched,
            IsComplete = !warnings.Any(static w => w.MeansMissing),
        };
    }

    // The database's name is a tag: one process extracts few of them.
    private static void Measure(string database, ExtractionResult result)
    {
        var name = new KeyValuePair<string, object?>("db.namespace", database);
        ExtractorTelemetry.Duration.Record(result.DumpTime.TotalSeconds, name, new("phase", "dump"));
        ExtractorTelemetry.Duration.Record(result.WriteTime.TotalSeconds, name, new("phase", "write"));
        ExtractorTelemetry.Entries.Add(result.Account.InFiles, name, new("outcome", "written"));
        ExtractorTelemetry.Entries.Add(result.Account.Filtered, name, new("outcome", "filtered"));
        ExtractorTelemetry.Entries.Add(result.Account.Consumed, name, new("outcome", "consumed"));
        foreach (var (status, count) in result.Files.CountBy(static file => file.Status))
            ExtractorTelemetry.Files.Add(count, name, new("status", NameOf(status)));
    }

    private static string NameOf(FileStatus status) => status switch
    {
        FileStatus.Created => "created",
        FileStatus.Updated => "updated",
        FileStatus.Deleted => "deleted",
        FileStatus.Unchanged => "unchanged",
        FileStatus.Stale => "stale",
        _ => "unmanaged",
    };

    private async Task<IReadOnlyList<PgDumpWarning>> CompleteAsync(IOpenArchive open, CancellationToken cancellationToken)
    {
        var warnings = await open.CompleteAsync(cancellationToken).ConfigureAwait(false);
        return options.RequireComplete && warnings.Any(static w => w.MeansMissing) ? throw new IncompleteExtractionException(PgDumpWarning.Texts(warnings)) : warnings;
    }

    private static SchemaEnvironment EnvironmentOf(IOpenArchive open, SchemaPlan plan)
    {
        var header = open.Archive.Header;
        var session = open.Session.ToDictionary();
        // Definitions are rewritten on their way; rows pass through.
        if (!open.Archive.Session.StandardConformingStrings && plan.Entries.Any(static e => e.HoldsInserts))
            session[SessionText.StandardStrings] = "off";
        return new SchemaEnvironment(VersionText.Short(header.ServerVersion), VersionText.Short(header.DumpVersion),
            $"{header.Version.Major}.{header.Version.Minor}", open.Archive.Session.EncodingName, open.Extensions)
        { Session = session };
    }
}
