namespace OmniPg.Cli;

/// <summary>How <c>jobmon check</c> prints its report.</summary>
internal enum CheckFormat
{
    Table,
    Nagios,
    Json,
}
