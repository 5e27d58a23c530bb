using System.CommandLine;
using OmniPg.Testing;
using Spectre.Console;
using WarehouseSync;

// Spectre.Console colours its output even when somebody reads it from a pipe.
if (Console.IsOutputRedirected)
    AnsiConsole.Profile.Capabilities.Ansi = false;

var connection = new Option<string?>("--connection")
{
    Description = "Npgsql connection string of a server with wal_level = logical, on which three databases are made and dropped again. Default: the variable OMNIPG_CONNECTION, else a throw-away server.", HelpName = "STRING",
};
var rounds = new Option<int>("--rounds") { Description = "Refreshes while the sources are written to.", DefaultValueFactory = _ => 3, HelpName = "N" };
var command = new RootCommand("Two source databases, one warehouse, seven methods of OmniPg.Mimeo; the exit code is 2 when a table differs in the end.") { connection, rounds };
command.SetAction(async (arguments, cancellationToken) =>
{
    var given = arguments.GetValue(connection) ?? Environment.GetEnvironmentVariable("OMNIPG_CONNECTION");
    await using var server = given is null ? await PgCluster.StartAsync(cancellationToken: cancellationToken) : await PgCluster.AttachAsync(given, cancellationToken);
    await using var shop = await Sources.CreateShopAsync(server, cancellationToken);
    await using var crm = await Sources.CreateCrmAsync(server, cancellationToken);
    await using var warehouse = await server.CreateDatabaseAsync(cancellationToken: cancellationToken);
    return await Warehouse.RunAsync(warehouse.DataSource, shop, crm, arguments.GetValue(rounds), cancellationToken);
});
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) });
