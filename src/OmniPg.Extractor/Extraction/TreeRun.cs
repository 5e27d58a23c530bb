using OmniPg.Extractor.Diagnostics;
using OmniPg.Extractor.Trees;

namespace OmniPg.Extractor.Extraction;

/// <summary>An extraction into a directory: read, plan, compare, stage, publish.</summary>
internal sealed class TreeRun(IArchiveSource source, ExtractionOptions options, string directory, RunContext context, IProgress<ExtractionProgress>? progress)
{
    public async Task<ExtractionReport> RunAsync(CancellationToken cancellationToken)
    {
        OptionCheck.Run(options);
        source.Check(options);
        foreach (var filter in options.Filter.All)
            filter.ForgetMatches();
        var started = context.Time.GetTimestamp();
        progress?.Report(new ExtractionProgress(ExtractionPhase.Dumping, 0, 0, null));
        var open = await source.OpenAsync(options, cancellationToken).ConfigureAwait(false);
        await using (open.ConfigureAwait(false))
        {
            var dumpTime = context.Time.GetElapsedTime(started);
            var report = await WriteAsync(open, cancellationToken).ConfigureAwait(false);
            report = report with { DumpTime = dumpTime, WriteTime = context.Time.GetElapsedTime(started) - dumpTime };
            progress?.Report(new ExtractionProgress(ExtractionPhase.Done, report.Files.Count, report.Files.Count, null));
            ExtractionMetrics.Record(open.Archive.Header.Database ?? "", report);
            TreeLog.TreeWritten(context.Logger, report.Directory, report.Files.Count, report.Changed.Count);
            return report;
        }
    }

    private async Task<ExtractionReport> WriteAsync(IOpenArchive open, CancellationToken cancellationToken)
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
        var publication = await TreePublication.CreateAsync(tree, options, context, progress, cancellationToken).ConfigureAwait(false);
        await publication.AddAsync(open, plan, rows, cancellationToken).ConfigureAwait(false);
        if (plan.Script is not null)
            publication.AddAttached(DriverFiles.Name, plan.Script);
        var roles = options.Roles ? await open.DumpRolesAsync(options.IncludeRolePasswords, cancellationToken).ConfigureAwait(false) : null;
        if (roles is not null)
            publication.AddRoles(roles);
        var warnings = await open.CompleteAsync(cancellationToken).ConfigureAwait(false);
        var isComplete = !warnings.Any(static w => w.MeansMissing);
        if (options.RequireComplete && !isComplete)
            throw new IncompleteExtractionException(PgDumpWarning.Texts(warnings));
        var environment = SnapshotRun.EnvironmentOf(open, plan);
        await publication.PublishAsync(environment, cancellationToken).ConfigureAwait(false);
        return new ExtractionReport
        {
            Directory = tree.Paths.Root,
            Files = publication.Files,
            ManagedPaths = publication.ManagedPaths,
            Account = plan.Account,
            Environment = environment,
            Warnings = [.. plan.Warnings, .. PgDumpWarning.Texts(warnings), .. publication.Warnings],
            DumpWarnings = warnings,
            UnmatchedFilters = unmatched,
            IsComplete = isComplete,
        };
    }
}
