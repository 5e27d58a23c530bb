using Npgsql;
using OmniPg;
using OmniPg.Extractor;
using Spectre.Console;

namespace SchemaToGit;

/// <summary>One night: compare, extract, commit, tell.</summary>
internal sealed class NightlyRun(string repository)
{
    private string Tree => Path.Combine(repository, "schema");

    public static async Task<NightlyRun> PrepareAsync(string? directory, CancellationToken cancellationToken)
    {
        var repository = directory ?? Directory.CreateTempSubdirectory("schema-to-git-").FullName;
        Directory.CreateDirectory(repository);
        if (!Path.Exists(Path.Combine(repository, ".git")))
        {
            await GitAsync(repository, ["init", "--quiet"], cancellationToken);
            await GitAsync(repository, ["config", "user.name", "Nightly extraction"], cancellationToken);
            await GitAsync(repository, ["config", "user.email", "nightly@example.org"], cancellationToken);
        }
        AnsiConsole.MarkupLineInterpolated($"Repository: [blue]{repository}[/]");
        return new NightlyRun(repository);
    }

    public async Task<int> RunAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken)
    {
        var extractor = new SchemaExtractor();
        var before = File.Exists(Path.Combine(Tree, "omnipg.manifest.json")) ? await extractor.OpenTree(Tree).ReadAsync(cancellationToken) : null;
        var report = await ExtractAsync(extractor, dataSource, Tree, cancellationToken);
        var commit = await new GitCommitter().CommitAsync(report, "Schema of {0:yyyy-MM-dd}", cancellationToken);
        var after = await extractor.OpenTree(Tree).ReadAsync(cancellationToken);
        Summary.Print(report, commit, before is null ? null : SchemaDiff.Between(before, after));
        return 0;
    }

    private static async Task<ExtractionResult> ExtractAsync(SchemaExtractor extractor, NpgsqlDataSource dataSource, string tree, CancellationToken cancellationToken)
    {
        #region extract
        var options = new ExtractionOptions { Roles = true, StaleFiles = StaleFiles.Delete };
        options.Filter.Tables.ExcludeRegex(@"_p\d{4}_\d{2}$");
        var result = await extractor.From(dataSource).RunAsync(tree, options, cancellationToken: cancellationToken);
        #endregion
        return result;
    }

    private static Task<string> GitAsync(string directory, string[] arguments, CancellationToken cancellationToken) =>
        ExternalProcess.RunAsync(new ExternalProcessOptions { FileName = "git", Arguments = arguments, WorkingDirectory = directory }, cancellationToken);
}
