namespace OmniPg.Jobmon;

/// <summary>Whether what SQL callers log survives the rollback of their own transaction. The SDK's own records always do.</summary>
public enum SqlAutonomy
{
    /// <summary>No connection through dblink is possible: SQL callers log inside their transaction.</summary>
    None,

    /// <summary>SQL callers log through a connection of dblink.</summary>
    Dblink,
}
