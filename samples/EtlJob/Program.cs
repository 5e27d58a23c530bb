using System.CommandLine;
using EtlJob;
using Spectre.Console;

// Spectre.Console colours its output even when somebody reads it from a pipe.
if (Console.IsOutputRedirected)
    AnsiConsole.Profile.Capabilities.Ansi = false;

var connection = new Option<string?>("--connection")
{
    Description = "Connection string. Default: the environment variable OMNIPG_CONNECTION, else a throw-away server.",
};
var file = new Option<FileInfo?>("--file") { Description = "CSV file with id,customer,day,amount. Default: a generated one." };
var rows = new Option<int>("--rows") { Description = "Rows of the generated file.", DefaultValueFactory = _ => 200_000 };
var fail = new Option<bool>("--fail") { Description = "Put one broken row near the end of the generated file; the exit code is 2 then." };
var command = new RootCommand("A small ETL job whose every step is recorded with OmniPg.Jobmon.") { connection, file, rows, fail };
command.SetAction(async (arguments, cancellationToken) =>
{
    await using var server = await Server.OpenAsync(arguments.GetValue(connection), cancellationToken);
    var input = arguments.GetValue(file)?.FullName ?? OrdersFile.Generate(arguments.GetValue(rows), arguments.GetValue(fail));
    return await Etl.RunAsync(server.DataSource, input, cancellationToken);
});
return await command.Parse(args).InvokeAsync();
