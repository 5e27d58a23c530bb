using System.CommandLine;
using EtlJob;
using Spectre.Console;

// Spectre.Console colours its output even when somebody reads it from a pipe.
if (Console.IsOutputRedirected)
    AnsiConsole.Profile.Capabilities.Ansi = false;

var connection = new Option<string?>("--connection")
{
    Description = "Npgsql connection string. Default: the variable OMNIPG_CONNECTION, else a throw-away server.", HelpName = "STRING",
};
var file = new Option<FileInfo>("--file") { Description = "CSV file with id,customer,day,amount. Default: a generated one.", HelpName = "FILE" };
var rows = new Option<int>("--rows") { Description = "Rows of the generated file.", DefaultValueFactory = _ => 200_000, HelpName = "N" };
var fail = new Option<bool>("--fail") { Description = "Put one broken row near the end of the generated file; the exit code is 2 then." };
file.AcceptExistingOnly();
var command = new RootCommand("A small ETL job whose every step is recorded with OmniPg.Jobmon.") { connection, file, rows, fail };
command.SetAction(async (arguments, cancellationToken) =>
{
    await using var server = await Server.OpenAsync(arguments.GetValue(connection), cancellationToken);
    using var input = arguments.GetValue(file) is { } given ? OrdersFile.Open(given.FullName) : OrdersFile.Generate(arguments.GetValue(rows), arguments.GetValue(fail));
    return await Etl.RunAsync(server.DataSource, input, cancellationToken);
});

// Ctrl-C and SIGTERM cancel the token; the time is for ending the job and its transaction in order.
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) });
