using System.CommandLine;
using Npgsql;
using OmniPg.Testing;
using PartitionedEvents;
using Spectre.Console;

// Spectre.Console colours its output even when somebody reads it from a pipe.
if (Console.IsOutputRedirected)
    AnsiConsole.Profile.Capabilities.Ansi = false;

var connection = new Option<string?>("--connection") { Description = "Npgsql keywords; else OMNIPG_CONNECTION; else a throw-away server", HelpName = "STRING" };
var seconds = new Option<int>("--seconds") { Description = "How long it runs. Default 20", HelpName = "N", DefaultValueFactory = _ => 20 };
var root = new RootCommand("Keeps a partitioned table of events under load: partitions come ahead of need, and old ones go to an archive\nExample: PartitionedEvents --seconds 60") { connection, seconds };
root.SetAction(async (parse, token) =>
{
    var time = TimeSpan.FromSeconds(parse.GetValue(seconds));
    if ((parse.GetValue(connection) ?? Environment.GetEnvironmentVariable("OMNIPG_CONNECTION")) is { Length: > 0 } text)
    {
        await using var source = NpgsqlDataSource.Create(text);
        return await EventsWorker.RunAsync(source, time, token);
    }
    await using var cluster = await PgCluster.StartAsync(cancellationToken: token);
    await using var database = await cluster.CreateDatabaseAsync("events", cancellationToken: token);
    return await EventsWorker.RunAsync(database.DataSource, time, token);
});
return await root.Parse(args).InvokeAsync();
