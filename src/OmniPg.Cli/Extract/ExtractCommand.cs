using System.CommandLine;
using OmniPg.Extractor;
using Spectre.Console;

namespace OmniPg.Cli;

/// <summary><c>omnipg extract</c>: a schema into files.</summary>
internal static class ExtractCommand
{
    private static readonly Argument<string> Directory = new("OUTDIR") { Description = "The tree; created when missing" };
    private static readonly Option<string?> FromArchive = new("--from-archive") { Description = "Read an archive of pg_dump -Fc or -Fd instead of a server", HelpName = "FILE" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "extract", "Writes every object of a schema into its own file", "omnipg extract schema --delete-stale --git -m \"schema of {0:yyyy-MM-dd}\"",
        RunAsync, [Directory, FromArchive, .. ExtractOptions.All]);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var archive = session.Get(FromArchive);
        var extractor = ExtractorSettings.Extractor(session);
        var extraction = archive is null ? SchemaSide.FromServer(session, extractor, null) : extractor.FromArchive(archive);
        var options = new ExtractionOptions();
        ExtractOptions.Apply(session, options);
        var report = await RunWithProgressAsync(session, extraction, options, cancellationToken);
        var commit = await CommitAsync(session, report, cancellationToken);
        ExtractOutput.Write(session, report, commit);
        return report.IsComplete ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static async Task<ExtractionResult> RunWithProgressAsync(CliSession session, Extraction extraction, ExtractionOptions options, CancellationToken cancellationToken)
    {
        if (!session.Host.IsTerminal || session.Json)
            return await extraction.RunAsync(session.Get(Directory), options, null, cancellationToken);
        return await session.Host.Ansi.Status().StartAsync("pg_dump …", async status =>
        {
            var progress = new Progress<ExtractionProgress>(p => status.Status(Markup.Escape(
                p.Total > 0 ? $"{p.Phase} {p.Done}/{p.Total} {p.Item}" : $"{p.Phase} {p.Item}")));
            return await extraction.RunAsync(session.Get(Directory), options, progress, cancellationToken);
        });
    }

    private static async Task<VersionControlCommit?> CommitAsync(CliSession session, ExtractionResult report, CancellationToken cancellationToken)
    {
        IVersionControl? tool = session.Get(ExtractOptions.Git) ? new GitCommitter(new GitOptions { Push = session.Get(ExtractOptions.GitPush) })
            : session.Get(ExtractOptions.Svn) ? new SvnCommitter()
            : null;
        return tool is null ? null : await tool.CommitAsync(report, session.Get(ExtractOptions.Message) ?? "Schema of {0:yyyy-MM-dd HH:mm} UTC", cancellationToken);
    }
}
