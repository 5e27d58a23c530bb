using System.CommandLine;
using Npgsql;
using OmniPg.Testing;
using SchemaToGit;
using Spectre.Console;

// Spectre.Console colours its output even when somebody reads it from a pipe.
if (Console.IsOutputRedirected)
    AnsiConsole.Profile.Capabilities.Ansi = false;

var connection = new Option<string?>("--connection") { Description = "Npgsql keywords; else OMNIPG_CONNECTION; else a throw-away server", HelpName = "STRING" };
var repository = new Option<string?>("--repository") { Description = "Git working copy; default: a new one in the temporary directory", HelpName = "DIR" };
var root = new RootCommand("Extracts a schema into a git repository and tells what changed\nExample: SchemaToGit --connection \"Host=db;Database=shop\" --repository /srv/schema")
{
    connection, repository,
};
root.SetAction(async (parse, token) =>
{
    var nightly = await NightlyRun.PrepareAsync(parse.GetValue(repository), token);
    if ((parse.GetValue(connection) ?? Environment.GetEnvironmentVariable("OMNIPG_CONNECTION")) is { Length: > 0 } text)
    {
        await using var source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(text) { PersistSecurityInfo = true });
        return await nightly.RunAsync(source, token);
    }
    Console.WriteLine("No connection given: two nights on a throw-away server.");
    await using var cluster = await PgCluster.StartAsync(cancellationToken: token);
    await using var database = await cluster.CreateDatabaseAsync("shop", cancellationToken: token);
    await database.ExecuteAsync(Shop.FirstDay, token);
    await nightly.RunAsync(database.DataSource, token);
    await database.ExecuteAsync(Shop.SecondDay, token);
    return await nightly.RunAsync(database.DataSource, token);
});
return await root.Parse(args).InvokeAsync();
